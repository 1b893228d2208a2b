"""A condition with a limit of its own, and the one that holds at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pytest_containers.resting import Limit
from pytest_containers.wait.base import Probe, TimedOut, Wait

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_containers.wait.base import Target


class _LimitedProbe(Probe):
    def __init__(self, probe: Probe, seconds: float) -> None:
        self._probe = probe
        self._seconds = seconds
        self._limit = Limit(seconds)

    def check(self) -> bool:
        if self._probe.check():
            return True
        self.tries = self._probe.tries
        if not self._limit.left():
            raise TimedOut(self._seconds, self.tries, self.seen)
        return False

    @property
    def seen(self) -> str:
        return self._probe.seen

    def again(self) -> bool:
        return self._probe.again()

    def within(self) -> float:
        return min(self._limit.left(), self._probe.within())

    def readable(self) -> Iterable[int]:
        return self._probe.readable()

    def last_words(self) -> Iterable[int]:
        return self._probe.last_words()

    def writable(self) -> Iterable[int]:
        return self._probe.writable()

    def close(self) -> None:
        self._probe.close()


@dataclass(frozen=True)
class Limited(Wait):
    """See ``Wait.within``."""

    wait: Wait
    seconds: float

    def begin(self, target: Target) -> Probe:
        """Look, from now on."""
        return _LimitedProbe(self.wait.begin(target), self.seconds)

    def outside(self) -> Wait | None:
        """The condition's, with the same limit."""
        seen = self.wait.outside()
        return Limited(seen, self.seconds) if seen else None

    def ports(self) -> Collection[int]:
        """Those of the condition."""
        return self.wait.ports()

    def longest(self) -> float:
        """Its limit."""
        return self.seconds

    def __str__(self) -> str:
        return f"{self.wait.in_words} within {self.seconds:g} s"


def within(wait: Wait, seconds: float) -> Wait:
    """``wait`` with a limit in seconds."""
    __tracebackhide__ = True
    given = cast("object", seconds)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < float("inf"):
        raise ValueError(f"within: a limit is a number of seconds above 0, not {seconds!r}")
    return Limited(wait, seconds)


class _NothingProbe(Probe):
    def check(self) -> bool:
        return True

    @property
    def seen(self) -> str:
        return ""


@dataclass(frozen=True)
class Nothing(Wait):
    """See ``none``."""

    def begin(self, target: Target) -> Probe:
        """There is nothing to look for."""
        del target
        return _NothingProbe()

    def outside(self) -> Wait | None:
        """All of it: it is seen from here."""
        return self

    def __str__(self) -> str:
        return "nothing"


def none() -> Wait:
    """Ready as soon as it is started, whatever its image declares."""
    return Nothing()
