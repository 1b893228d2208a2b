"""pdb in a test that runs in a container: the terminal is that of the pytest outside, which is asked for each line."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from typing import IO

    from pytest_containers.inside.messages import Messages


class Debugger:
    """A plugin of the pytest inside. It reads answers where requests come from: there are no others meanwhile."""

    def __init__(self, messages: Messages, answers: IO[bytes], config: pytest.Config) -> None:
        self._messages = messages
        self._answers = answers
        self._open = False
        if config.getoption("usepdb"):  # it prints with the terminal's writer, and here is no such plugin
            config.pluginmanager.register(_Terminal(config), "terminalreporter")

    def ask(self, kind: str) -> str:
        """Send a message and wait for what is answered."""
        sys.stdout.flush()
        self._messages.send(kind)
        return str(json.loads(self._answers.readline() or b'{"line": ""}')["line"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_exception_interact(self, node: pytest.Item) -> None:
        """With --pdb, what was captured is shown first."""
        if node.config.getoption("usepdb"):
            self.pytest_enter_pdb()

    @pytest.hookimpl
    def pytest_enter_pdb(self) -> None:
        """From now on the pytest outside shows what is written, and is asked for what is typed."""
        if not self._open:
            self._open = True
            self._messages.send("debugging")
            self._answers.readline()
        sys.stdin = _Lines(self)

    @pytest.hookimpl
    def pytest_leave_pdb(self) -> None:
        """The test goes on."""
        sys.stdout.flush()
        self._messages.send("resumed")
        self._open = False


class _Lines(io.TextIOBase):
    """Standard input that comes line by line from outside."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger

    def readline(self, _size: int | None = -1, /) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._debugger.ask("ask")


class _Terminal:
    """As much of pytest's terminal reporter as --pdb uses."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @property
    def _tw(self) -> Any:
        from _pytest.config import create_terminal_writer

        return create_terminal_writer(self._config)
