"""Removals that go on at the same time: Docker and Podman take some 200 ms for each container, most of it waiting."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

AT_ONCE = 8
"""More at a time would only wait for each other in the engine."""


class Removals:
    """How an engine's containers are removed: one by one, or each in a thread of its own.

    Attributes:
        several: whether the engine gains by several at the same time; ours does not.
    """

    def __init__(self) -> None:
        self.several: bool = True
        self._together = False
        self._hurried = False
        self._until: float | None = None
        self._begun: list[threading.Thread] = []
        self._errors: list[Exception] = []
        self._turn = threading.BoundedSemaphore(AT_ONCE)

    def add(self, remove: Callable[[], None]) -> None:
        """Call ``remove``; where several go on at the same time, without waiting for its end."""
        __tracebackhide__ = True
        if not self.several or not (self._hurried or self._together):
            remove()
            return
        # Not awaited at the interpreter's end: another Ctrl-C ends the wait for an engine that does not answer.
        thread = threading.Thread(target=self._run, args=(remove,), name="remove a container", daemon=True)
        self._begun.append(thread)
        thread.start()

    def _run(self, remove: Callable[[], None]) -> None:
        with self._turn:
            try:
                remove()
            except Exception as error:  # noqa: BLE001  told by finish
                self._errors.append(error)

    @contextlib.contextmanager
    def together(self) -> Generator[list[Exception]]:
        """What is added in it goes on at the same time; at its end the list has what that has raised, too."""
        errors: list[Exception] = []
        self._together = True
        try:
            yield errors
        finally:
            self._together = False
            errors += self.finish()

    def hurry(self, until: float | None) -> None:
        """From now on all go on at the same time, and are awaited until then at most (``time.monotonic``)."""
        self._hurried, self._until = True, until

    def wait(self) -> bool:
        """Return when all that were begun have ended; whether they have, where there is no time for more."""
        while self._begun:
            first = self._begun[0]
            first.join(None if self._until is None else max(0.0, self._until - time.monotonic()))
            if first.is_alive():
                return False
            self._begun.remove(first)
        return True

    def finish(self) -> list[Exception]:
        """The same; returns what they have raised."""
        self.wait()
        errors, self._errors = self._errors, []
        return errors
