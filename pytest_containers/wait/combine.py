"""Several conditions at once."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Self

from pytest_containers.errors import ContainerError
from pytest_containers.wait.base import Ended, Probe, TimedOut, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from pytest_containers.wait.base import Target


class _Several(Probe):
    def __init__(self, begin: Iterable[tuple[str, Callable[[], Probe]]], *, every: bool) -> None:
        self._every = every
        self._open: dict[str, Probe] = {}
        self._given_up: dict[str, str] = {}
        self._refused: list[ContainerError] = []
        try:
            for name, one in begin:
                self._begin(name, one)
            if self._refused and not self._open:
                raise self._refused[0]
        except BaseException:
            self.close()
            raise

    def _begin(self, name: str, begin: Callable[[], Probe]) -> None:
        """What has ended already has no address any more on Docker, say: another of them may hold all the same."""
        try:
            self._open[name] = begin()
        except ContainerError as error:
            if self._every:
                raise
            self._refused.append(error)
            self._given_up[name] = str(error)

    def check(self) -> bool:
        self.tries += 1
        for name, probe in list(self._open.items()):
            try:
                ready = probe.check()
            except TimedOut as error:
                self._give_up(name, probe, error)
                continue
            except Ended:
                self._give_up(name, probe, None)
                continue
            if ready:
                self._done(name, probe)
                if not self._every:
                    return True
        return self._every and not self._open

    def _done(self, name: str, probe: Probe) -> None:
        del self._open[name]
        probe.close()

    def _give_up(self, name: str, probe: Probe, error: TimedOut | None) -> None:
        """One of them will not come: of all, that is the end, else there are the others."""
        self._given_up[name] = _words(probe)
        self._done(name, probe)
        if self._open and not self._every:
            return
        if error is None:
            raise Ended
        raise TimedOut(error.seconds, self.tries, self.seen)

    @property
    def seen(self) -> str:
        each = {**self._given_up, **{name: _words(probe) for name, probe in self._open.items()}}
        return "; ".join(f"{name}: {words}" for name, words in each.items())

    def again(self) -> bool:
        return builtins.any(probe.again() for probe in self._open.values())

    def within(self) -> float:
        return min((probe.within() for probe in self._open.values()), default=super().within())

    def readable(self) -> Iterable[int]:
        return chain.from_iterable(probe.readable() for probe in self._open.values())

    def last_words(self) -> Iterable[int]:
        return chain.from_iterable(probe.last_words() for probe in self._open.values())

    def writable(self) -> Iterable[int]:
        return chain.from_iterable(probe.writable() for probe in self._open.values())

    def close(self) -> None:
        for probe in self._open.values():
            probe.close()


def _words(probe: Probe) -> str:
    return f"{probe.seen} ({probe.tries} tries)" if probe.tries > 1 and not isinstance(probe, _Several) else probe.seen


@dataclass(frozen=True)
class _Combined(Wait):
    parts: tuple[Wait, ...]

    @classmethod
    def of(cls, *waits: Wait) -> Self:
        """The combination, without nesting where one of them is of the same kind."""
        return cls(tuple(chain.from_iterable(wait.parts if isinstance(wait, cls) else (wait,) for wait in waits)))

    @property
    def in_words(self) -> str:
        return f"({self})"

    def outside(self) -> Wait | None:
        """Those of them that are seen from here."""
        seen = tuple(found for part in self.parts if (found := part.outside()) is not None)
        return (seen[0] if len(seen) == 1 else replace(self, parts=seen)) if seen else None

    def ports(self) -> Collection[int]:
        return {port for part in self.parts for port in part.ports()}

    def longest(self) -> float:
        return max(part.longest() for part in self.parts)

    def _begin(self, target: Target, *, every: bool) -> Probe:
        names = [f"{part}" for part in self.parts]
        unique = [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, 1)]
        begin: list[Callable[[], Probe]] = [lambda part=part: part.begin(target) for part in self.parts]
        return _Several(zip(unique, begin, strict=True), every=every)

    def _words(self, word: str) -> str:
        return f" {word} ".join(part.in_words for part in self.parts)


@dataclass(frozen=True)
class All(_Combined):
    """Every one of them, each at its time."""

    def begin(self, target: Target) -> Probe:
        """Look for all."""
        return self._begin(target, every=True)

    def __str__(self) -> str:
        return self._words("and")


@dataclass(frozen=True)
class Any(_Combined):
    """The first of them."""

    def begin(self, target: Target) -> Probe:
        """Look for the first."""
        return self._begin(target, every=False)

    def __str__(self) -> str:
        return self._words("or")


def all(*waits: Wait) -> Wait:  # noqa: A001  used as wait.all()
    """Ready when every one of them was fulfilled, each at its time; the same as ``a & b``."""
    __tracebackhide__ = True
    _check("all", waits)
    return waits[0] if len(waits) == 1 else All.of(*waits)


def any(*waits: Wait) -> Wait:  # noqa: A001  used as wait.any()
    """Ready when the first of them is fulfilled; the same as ``a | b``."""
    __tracebackhide__ = True
    _check("any", waits)
    return waits[0] if len(waits) == 1 else Any.of(*waits)


def _check(name: str, waits: tuple[object, ...]) -> None:
    __tracebackhide__ = True
    wrong = next((one for one in waits if not isinstance(one, Wait)), None)
    if not waits or wrong is not None:
        raise TypeError(f"wait.{name} takes conditions such as wait.port(80){f', not {wrong!r}' if waits else ''}")
