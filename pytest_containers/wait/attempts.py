"""Tries that take a while, such as a request or a command: a thread makes them, which ends with the wait."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, NamedTuple

from pytest_containers.client.errors import EngineUnreachable
from pytest_containers.wait.base import FIRST_INTERVAL, LAST_INTERVAL, Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable


class Pulled(Exception):
    """The wait is over."""


class Cord:
    """What ends a try from another thread: pulled, it shuts the connection that the try waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pulled = threading.Event()
        self._held: socket.socket | None = None

    @contextlib.contextmanager
    def holding(self, connection: socket.socket) -> Generator[None]:
        """Inside it a pull shuts ``connection``; raises Pulled where that has happened already."""
        with self._lock:
            if self._pulled.is_set():
                raise Pulled
            self._held = connection.dup()  # the connection itself may be handed on, to TLS for one
        try:
            yield
        finally:
            with self._lock:
                self._held.close()
                self._held = None

    def rest(self, seconds: float) -> bool:
        """Wait a moment; whether it was pulled meanwhile."""
        return self._pulled.wait(seconds)

    def pull(self) -> None:
        """End what is under way, and let nothing more begin."""
        with self._lock:
            self._pulled.set()
            if self._held is not None:
                with contextlib.suppress(OSError):  # it may not be connected any more
                    self._held.shutdown(socket.SHUT_RDWR)


class Result(NamedTuple):
    """Of one try: whether it is ready, and what was seen."""

    ready: bool
    seen: str


class Attempts(Probe):
    """Tries again from 1 ms on, with back-off to 50 ms between two tries."""

    def __init__(self, attempt: Callable[[Cord], Result], name: str, waiting: str = "no answer yet") -> None:
        self._attempt = attempt
        self._seen = waiting
        self._error: BaseException | None = None
        self._ready = False
        self._cord = Cord()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._work, name=f"pytest-containers {name} wait", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        interval = FIRST_INTERVAL
        try:
            while not self._ready:
                self.tries += 1
                self._ready, self._seen = self._attempt(self._cord)
                if not self._ready and self._cord.rest(interval):
                    return
                interval = min(interval * 2, LAST_INTERVAL)
        except Pulled:
            return
        except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
            self._error = error
        os.eventfd_write(self._bell, 1)

    def check(self) -> bool:
        """Whether a try was successful; what a try raised is raised here."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        if self._error is not None:
            raise self._error
        return self._ready

    @property
    def seen(self) -> str:
        """What the last try showed."""
        return self._seen

    def readable(self) -> Iterable[int]:
        """The thread's bell."""
        return (self._bell,)

    def close(self) -> None:
        """End the thread, with the try that it is making."""
        self._cord.pull()
        self._thread.join()
        os.close(self._bell)


def fatal(error: Exception) -> bool:
    """Whether an error of a try means that no other need be made."""
    return isinstance(error, EngineUnreachable)
