"""What the warm pytest tells the one outside: JSON lines."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import warnings
    from collections.abc import Mapping


class Messages:
    """Sends messages; a plugin of the pytest inside, so that reports and warnings become some."""

    def __init__(self, descriptor: int, config: pytest.Config) -> None:
        self._descriptor = descriptor
        self._config = config
        self.collected: list[pytest.CollectReport] = []
        """The reports of what could not be collected."""

    def send(self, kind: str, **fields: object) -> None:
        """Send one message. It begins on a line of its own: who was killed may have left half of one."""
        rest = memoryview(b"\n" + json.dumps({"kind": kind, **fields}, default=repr).encode() + b"\n")
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def serialized(self, report: pytest.CollectReport | pytest.TestReport) -> Mapping[str, Any]:
        """A report as a JSON object, by pytest's own hook."""
        return self._config.hook.pytest_report_to_serializable(config=self._config, report=report)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pass on the report of a phase of a test."""
        self.send("report", report=self.serialized(report))

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what went wrong with collecting, for the tests that are missing then."""
        if not report.passed:
            self.collected.append(report)

    @pytest.hookimpl
    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: str,
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        """Pass on a warning; those about the configuration were given outside already."""
        if when == "config":
            return
        category = warning_message.category
        self.send(
            "warning",
            text=str(warning_message.message),
            category=[category.__module__, category.__qualname__],
            file=warning_message.filename,
            line=warning_message.lineno,
            when=when,
            nodeid=nodeid,
            location=location,
        )
