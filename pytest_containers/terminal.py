"""The terminal that pytest was started in, for people who look around while a test waits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self, cast

from pytest_containers import resting

if TYPE_CHECKING:
    import pytest


class Terminal:
    """Between ``enter`` and ``leave``, or in a ``with`` block, nothing is captured and time limits rest."""

    def __init__(self, config: pytest.Config) -> None:
        self._capture = cast("Any", config.pluginmanager.getplugin("capturemanager"))
        self._resume = False
        self.entered: bool = False

    def enter(self) -> None:
        """Show what comes from now on."""
        if self.entered:
            return
        self.entered = True
        resting.stop()
        if self._capture:
            capturing = self._capture._global_capturing
            self._resume = capturing is not None and capturing.is_started()
            self._capture.suspend(in_=True)

    def line(self) -> str:
        """What is typed next, with its end; empty at the end of input."""
        return sys.stdin.readline()

    def leave(self) -> None:
        """As before; more than once is no error."""
        if self.entered:
            self.entered = False
            if self._resume:  # else the next test's capture is resumed by pytest, with its input
                self._capture.resume()
            resting.go()

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
