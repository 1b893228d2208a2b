"""Several conditions at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Self

from pytest_containers.wait.base import Probe, Wait

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_containers.wait.base import Target


class _Several(Probe):
    def __init__(self, probes: list[Probe], names: list[str], *, needed: int) -> None:
        self._open = dict(zip(names, probes, strict=True))
        self._needed = needed

    def check(self) -> bool:
        self.tries += 1
        for name, probe in list(self._open.items()):
            if probe.check():
                self._needed -= 1
                probe.close()
                del self._open[name]
        return self._needed <= 0

    @property
    def seen(self) -> str:
        return "; ".join(f"{name}: {probe.seen}" for name, probe in self._open.items())

    def readable(self) -> Iterable[int]:
        return chain.from_iterable(probe.readable() for probe in self._open.values())

    def writable(self) -> Iterable[int]:
        return chain.from_iterable(probe.writable() for probe in self._open.values())

    def close(self) -> None:
        for probe in self._open.values():
            probe.close()


@dataclass(frozen=True)
class _Combined(Wait):
    parts: tuple[Wait, ...]

    @classmethod
    def of(cls, *waits: Wait) -> Self:
        """The combination, without nesting where one of them is of the same kind."""
        return cls(tuple(chain.from_iterable(wait.parts if isinstance(wait, cls) else (wait,) for wait in waits)))

    def ports(self) -> Collection[int]:
        return {port for part in self.parts for port in part.ports()}

    def _begin(self, target: Target, needed: int) -> Probe:
        names = [f"{part}" for part in self.parts]
        unique = [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, 1)]
        return _Several([part.begin(target) for part in self.parts], unique, needed=needed)

    def _words(self, word: str) -> str:
        return f" {word} ".join(f"({part})" if isinstance(part, _Combined) else f"{part}" for part in self.parts)


@dataclass(frozen=True)
class All(_Combined):
    """Every one of them, each at its time."""

    def begin(self, target: Target) -> Probe:
        """Look for all."""
        return self._begin(target, len(self.parts))

    def __str__(self) -> str:
        return self._words("and")


@dataclass(frozen=True)
class Any(_Combined):
    """The first of them."""

    def begin(self, target: Target) -> Probe:
        """Look for the first."""
        return self._begin(target, 1)

    def __str__(self) -> str:
        return self._words("or")
