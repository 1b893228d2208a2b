"""A container for waits, without an engine: real sockets, and a target that is told what happens."""

from __future__ import annotations

import os
import queue
import select
import socket
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_containers.wait import Wait

HANG_LIMIT = 60.0
"""Seconds after which a test gives up on an event."""


class Output:
    """What a followed log, or the events, are: pieces until it is closed."""

    def __init__(self) -> None:
        self.pieces: queue.Queue[tuple[int, bytes] | None] = queue.Queue()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return iter(self.pieces.get, None)

    def close(self) -> None:
        self.pieces.put(None)


class Waiting:
    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self.code = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def fileno(self) -> int:
        return self.read

    def result(self) -> int:
        return self.code


class Running:
    """A command whose end is what the test's function returns; ``None`` never ends by itself."""

    def __init__(self, end: tuple[int, bytes] | None) -> None:
        self.socket, self.other = socket.socketpair()
        self.end = end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self.other.close()

    def finish(self) -> tuple[int, bytes]:
        if self.end is not None:
            return self.end
        self.socket.recv(1)
        return -1, b""


class Target:
    host = "127.0.0.1"
    own_address = True

    def __init__(self) -> None:
        self.written, self.waiting, self.events = Output(), Waiting(), Output()
        self.found: dict[str, Any] | None = None
        self.run: Callable[[Sequence[str], str | None], Running] = lambda *_: Running((0, b""))
        self.files: set[str] = set()

    def port(self, number: int) -> int:
        return number

    def listens(self, number: int) -> bool | None:
        del number
        return None

    def output(self) -> Any:
        return self.written

    def open_wait(self) -> Any:
        return self.waiting

    def health(self) -> Any:
        return self.found

    def health_events(self) -> Any:
        return self.events

    def begin_exec(self, words: Sequence[str], user: str | None) -> Any:
        return self.run(words, user)

    def exists(self, path: str) -> bool:
        return path in self.files

    def end(self, code: int = 0) -> None:
        self.waiting.code = code
        self.written.close()
        descriptor, self.waiting.write = self.waiting.write, -1  # whoever waits goes on as soon as it is closed
        os.close(descriptor)


def last_seen(wanted: Wait, target: Any, tries: int = 2) -> str:
    """What a wait that does not succeed shows when it has been tried so often."""
    probe, end = wanted.begin(target), time.monotonic() + HANG_LIMIT
    try:
        while probe.tries < tries and time.monotonic() < end:
            select.select(probe.readable(), (), (), 0.01)
            assert not probe.check()
        return probe.seen
    finally:
        probe.close()
