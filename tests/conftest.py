"""What holds for every test: a missing prerequisite is a failure where CI is set, and the run leaves nothing behind."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests import leftovers

if TYPE_CHECKING:
    from collections.abc import Generator

LEAK_GRACE = 3.0
"""Seconds that the kernel is given to free what has already been let go (network namespaces die asynchronously)."""


def _skip_is_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") == "true" and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where CI=true, so something is missing: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _skip_is_failure(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _skip_is_failure(report)
    return report


_before = pytest.StashKey[set[str]]()
_left = pytest.StashKey[list[str]]()


def _leaks_are_checked(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput") and not config.option.collectonly


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if _leaks_are_checked(session.config):
        session.config.stash[_before] = leftovers.observe()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _before not in session.config.stash:
        return
    before, end = session.config.stash[_before], time.monotonic() + LEAK_GRACE
    while (left := sorted(leftovers.observe() - before)) and time.monotonic() < end:
        time.sleep(0.05)  # the kernel announces neither the end of a namespace nor that of a cgroup
    if left:
        session.config.stash[_left] = left
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(_left, []):
        terminalreporter.write_line(f"LEFT BEHIND {line}", red=True)
