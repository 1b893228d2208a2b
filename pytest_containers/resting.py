"""Time limits that rest while a person looks around: in a debugger, or in the shell of a container.

pytest tells when pdb is opened (``pytest_enter_pdb``) and left. A debugger of an editor is seen only by the trace
function that it sets; while it is attached nothing times out, as pytest-timeout has it.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import select
    from collections.abc import Generator

LOOK_AGAIN = 1.0
"""Seconds after which a wait looks again whether a debugger is still open."""
DEBUGGERS = ("pydevd", "bdb")
"""Modules whose trace functions are debuggers' (PyCharm and debugpy; pdb and what is derived from it)."""


class _Clock:
    """A clock that stands still while somebody has stopped it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rested = 0.0
        self._since: float | None = None

    def now(self) -> float:
        with self._lock:
            return (time.monotonic() if self._since is None else self._since) - self._rested

    @property
    def stands(self) -> bool:
        return self._since is not None

    def stop(self) -> None:
        with self._lock:
            self._since = time.monotonic() if self._since is None else self._since

    def go(self) -> None:
        with self._lock:
            if self._since is not None:
                self._rested += time.monotonic() - self._since
                self._since = None


_clock = _Clock()


def stop() -> None:
    """Let all limits rest; they may do so already."""
    _clock.stop()


def go() -> None:
    """Let them go on; they may do so already."""
    _clock.go()


@contextlib.contextmanager
def resting() -> Generator[None]:
    """All limits rest inside it."""
    stop()
    try:
        yield
    finally:
        go()


class Limit:
    """So many seconds from now on, not counting those in which limits rest."""

    def __init__(self, seconds: float) -> None:
        self._end = _clock.now() + seconds

    def left(self) -> float:
        """Seconds, 0 when they are over; while limits rest at least LOOK_AGAIN."""
        seconds = max(0.0, self._end - _clock.now())
        return max(seconds, LOOK_AGAIN) if _clock.stands or (not seconds and _is_debugged()) else seconds

    def poll(self, poll: select.poll) -> list[tuple[int, int]]:
        """What ``poll`` finds before they are over."""
        while True:
            found = poll.poll(self.left() * 1000)
            if found or not self.left():
                return found


def _is_debugged() -> bool:
    """Whether a debugger is attached to this thread or, by sys.monitoring (PEP 669), to the interpreter."""
    trace = sys.gettrace()
    module = getattr(trace, "__module__", None) or type(trace).__module__
    if any(part.startswith(DEBUGGERS) for part in module.split(".")):
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None
