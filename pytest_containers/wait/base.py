"""The loop that every wait runs in. Nothing sleeps: the container's end, output and connections wake it up.

A ``Wait`` is plain data; each time that it is used it begins a ``Probe``, which holds what was seen so far.
"""

from __future__ import annotations

import math
import select
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from pytest_containers.resting import Limit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pytest_containers.client.containers import LogStream, Waiting
    from pytest_containers.client.observation import EventStream
    from pytest_containers.client.types import Health
    from pytest_containers.handle.conditions import RunningExec

FIRST_INTERVAL = 0.001
LAST_INTERVAL = 0.05
"""Seconds between two tries: most services are ready within milliseconds, the slow ones need not be asked often."""
GROWTH = 1.25
"""From one interval to the next: what is ready just after a try is seen when that much of the time is over again."""


class Target(Protocol):
    """What a probe may ask of a container."""

    @property
    def host(self) -> str:
        """The address at which the test process reaches it."""
        ...

    @property
    def own_address(self) -> bool:
        """Whether ``host`` is the container's own; otherwise somebody answers there on its behalf (docker-proxy)."""
        ...

    def port(self, number: int) -> int:
        """The port there that leads to the container's port ``number``."""
        ...

    def listens(self, number: int) -> bool | None:
        """Whether something inside takes connections at a port; None where a connection from here tells."""
        ...

    def output(self) -> LogStream:
        """Its output since it was last started, and as it comes."""
        ...

    def open_wait(self) -> Waiting:
        """What becomes readable when it ends."""
        ...

    def health(self) -> Health | None:
        """What its health check has found; None where it has none."""
        ...

    def health_events(self) -> EventStream:
        """Yields whenever its health changes."""
        ...

    def begin_exec(self, words: Sequence[str], user: str | None) -> RunningExec:
        """Start a command inside it."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file, directory or whatever inside it."""
        ...


class Probe(ABC):
    """One use of a wait."""

    tries = 0

    @abstractmethod
    def check(self) -> bool:
        """Whether it is ready by now; does not block. Once true it is not asked again.

        Raises:
            Ended, TimedOut: it cannot become ready any more.
        """

    @property
    @abstractmethod
    def seen(self) -> str:
        """What the last try showed, for the message of a time-out."""

    def again(self) -> bool:
        """Whether to ask again without any news, since nobody tells."""
        return False

    def within(self) -> float:
        """The seconds in which it is to be asked again at the latest."""
        return math.inf

    def readable(self) -> Iterable[int]:
        """Descriptors that mean news when they can be read."""
        return ()

    def last_words(self) -> Iterable[int]:
        """Those of them that still bring something after the container's end, and then nothing more."""
        return ()

    def writable(self) -> Iterable[int]:
        """Descriptors that mean news when they can be written."""
        return ()

    def close(self) -> None:
        """Let go of what it holds."""
        return


class Wait(ABC):
    """A condition that makes a container ready. ``a & b`` wants both, ``a | b`` one of them."""

    @abstractmethod
    def begin(self, target: Target) -> Probe:
        """Start to look."""

    @abstractmethod
    def __str__(self) -> str:
        """What is awaited, as it reads after "waited for"."""

    @property
    def in_words(self) -> str:
        """The same as a part of a longer text."""
        return str(self)

    def ports(self) -> Collection[int]:
        """The container's ports that it must be able to reach."""
        return ()

    def outside(self) -> Wait | None:
        """What of it can be seen of a server that is no container of an engine; None: nothing."""
        return None

    def longest(self) -> float:
        """The longest time in seconds that is named in it; 0: none is."""
        return 0.0

    def within(self, seconds: float) -> Wait:
        """The same with a limit of its own; in ``a.within(5) | b``, ``b`` may still come after it."""
        from pytest_containers.wait.limit import within

        __tracebackhide__ = True
        return within(self, seconds)

    def __and__(self, other: Wait) -> Wait:
        """Both."""
        from pytest_containers.wait.combine import All

        return All.of(self, other)

    def __or__(self, other: Wait) -> Wait:
        """One of both."""
        from pytest_containers.wait.combine import Any

        return Any.of(self, other)


class Ended(Exception):
    """The container ended first, or otherwise than was awaited."""


class TimedOut(Exception):
    """Nothing came within ``seconds``; ``tries`` and ``seen`` say what was done."""

    def __init__(self, seconds: float, tries: int, seen: str) -> None:
        super().__init__(seen)
        self.seconds = seconds
        self.tries = tries
        self.seen = seen


def run(wait: Wait, target: Target, timeout: float) -> None:
    """Return when ``wait`` holds.

    Raises:
        Ended: the container ended, and even its last output did not fulfil it.
        TimedOut: it did not within ``timeout`` seconds, or within its own limit.
    """
    limit = Limit(timeout)
    probe = wait.begin(target)
    try:
        if probe.check():
            return
        with target.open_wait() as waiting:
            if not _loop(probe, waiting.fileno(), limit):
                raise TimedOut(timeout, probe.tries, probe.seen)
    finally:
        probe.close()


def _loop(probe: Probe, waiting: int, limit: Limit) -> bool:
    """Whether it was fulfilled in time."""
    interval = FIRST_INTERVAL
    while (left := limit.left()) > 0:
        pause = min(left, probe.within(), interval if probe.again() else math.inf)
        ready = _news(waiting, probe.readable(), probe.writable(), pause)
        if probe.check():
            return True
        if waiting in ready:
            if _settled(probe):
                return True
            raise Ended
        if not ready:
            interval = min(interval * GROWTH, LAST_INTERVAL)
    return False


def _settled(probe: Probe) -> bool:
    """Read what came before the end: the output's own end tells the probe that nothing follows."""
    limit = time.monotonic() + 1  # the engine closes the output right after the end; a hang must not become ours
    while (readable := list(probe.last_words())) and (left := limit - time.monotonic()) > 0:
        _news(None, readable, (), left)
        if probe.check():
            return True
    return probe.check()


def _news(waiting: int | None, readable: Iterable[int], writable: Iterable[int], seconds: float) -> Sequence[int]:
    """The descriptors with news; poll and not select, whose descriptors end at 1023."""
    poll = select.poll()
    for descriptor in readable:
        poll.register(descriptor, select.POLLIN)
    for descriptor in writable:
        poll.register(descriptor, select.POLLOUT)
    if waiting is not None:
        poll.register(waiting, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(max(seconds, 0.0) * 1000)]
