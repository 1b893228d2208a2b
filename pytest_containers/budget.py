"""How many containers, and how much memory, all processes of a run may have at a time: who wants more waits.

Each container that counts is a FIFO in a directory of the run, which its process holds open: at its end, killed or not,
the kernel closes it. Who has to wait opens the FIFOs of all others and polls: each end is a hang-up that wakes it. A
lock makes a queue of those who wait, so that a large container is not passed by small ones forever.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_containers.errors import ContainerError
from pytest_containers.resting import Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

UNLIMITED_COUNTS = 256 << 20
"""Bytes that a container without a limit of memory counts."""


@dataclass(frozen=True)
class _Holder:
    """A container that counts: how much, whose, and the reading end of its FIFO."""

    pid: int
    memory: int
    words: str
    descriptor: int


class Budget:
    """``containers`` at a time, with ``memory`` bytes together; None is no bound."""

    def __init__(
        self, directory: Callable[[], Path], worker: str, containers: int | None, memory: int | None, patience: float
    ) -> None:
        self._directory = directory
        self._worker = worker
        self._containers = containers
        self._memory = memory
        self._patience = patience
        self.spare: Callable[[], None] = lambda: None
        """Removes those containers of this process that it could do without."""
        self._held: dict[str, tuple[Path, int]] = {}
        self._lock = threading.Lock()
        self._made = 0

    def take(self, memory: int | None, what: str) -> str:
        """Wait until a container has its place, and return that place, which ``give`` takes back.

        Raises:
            ContainerError: it never fits, nobody else could make room, or nobody did in time.
        """
        __tracebackhide__ = True
        wanted = memory or UNLIMITED_COUNTS
        if self._memory is not None and wanted > self._memory:
            says = "its limit is" if memory else "without a limit of memory it counts"
            raise ContainerError(
                f"container {what} can never start: {says} {_size(wanted)}, and --containers-memory allows "
                f"{_size(self._memory)} for all"
            )
        directory = self._directory()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        limit = Limit(self._patience)
        with self._turn(directory), contextlib.ExitStack() as stack:
            holders = _holders(directory, stack)
            if not self._fits(holders, wanted):
                self.spare()
                stack.close()
                holders = _holders(directory, stack)
            while not self._fits(holders, wanted):
                others = [one for one in holders if one.pid != os.getpid()]
                if not self._fits([one for one in holders if one not in others], wanted):
                    raise self._spent(holders, what, "which only this process could give back")
                if not _await_one(others, limit):
                    raise self._spent(holders, what, f"and nobody gave anything back in {self._patience:g} s")
                stack.close()
                holders = _holders(directory, stack)
            return self._enter(directory, wanted, what)

    def give(self, place: str | None) -> None:
        """A container has gone; more than once is no error."""
        with self._lock:
            path, descriptor = self._held.pop(place or "", (None, -1))
        if path is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def close(self) -> None:
        """Give everything back."""
        for place in list(self._held):
            self.give(place)

    @contextlib.contextmanager
    def _turn(self, directory: Path) -> Generator[None]:
        descriptor = os.open(directory / "turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _fits(self, holders: list[_Holder], memory: int) -> bool:
        if self._containers is not None and len(holders) >= self._containers:
            return False
        return self._memory is None or sum(one.memory for one in holders) + memory <= self._memory

    def _enter(self, directory: Path, memory: int, what: str) -> str:
        self._made += 1
        place = f"{os.getpid()}-{self._made}"
        words = json.dumps({"pid": os.getpid(), "memory": memory, "words": f"{what} ({self._worker})"})
        (directory / f"{place}.json").write_text(words)
        path = directory / f"{place}.fifo"
        os.mkfifo(path, 0o600)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)  # both ends: opening only one would wait for the other
        with self._lock:
            self._held[place] = (path, descriptor)
        return place

    def _spent(self, holders: list[_Holder], what: str, why: str) -> ContainerError:
        bounds = [
            words
            for bound, words in (
                (self._containers, f"--containers-max={self._containers}"),
                (self._memory, f"--containers-memory={_size(self._memory or 0)}"),
            )
            if bound is not None
        ]
        names = ", ".join(f"{one.words} {_size(one.memory)}" for one in holders)
        return ContainerError(
            f"container {what} cannot start: the budget ({', '.join(bounds)}) is spent, {why}; it is held by {names}"
        )


def _size(number: int) -> str:
    for unit, name in ((1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")):
        if number >= unit and number % unit == 0:
            return f"{number // unit}{name}"
    return f"{number}b"


def _holders(directory: Path, stack: contextlib.ExitStack) -> list[_Holder]:
    """Who holds something; what dead processes left is removed. The descriptors are closed with ``stack``."""
    found: list[_Holder] = []
    for path in sorted(directory.glob("*.fifo")):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:  # given back at this moment
            continue
        stack.callback(os.close, descriptor)
        try:
            os.read(descriptor, 1)
        except BlockingIOError:  # nothing to read, and somebody who could write: it is alive
            found.append(_Holder(descriptor=descriptor, **json.loads(path.with_suffix(".json").read_text())))
        else:
            path.unlink(missing_ok=True)
    return found


def _await_one(holders: list[_Holder], limit: Limit) -> bool:
    """Whether one of them let go in time."""
    poll = select.poll()
    for one in holders:
        poll.register(one.descriptor, select.POLLIN)  # a hang-up is always told
    return bool(limit.poll(poll))
