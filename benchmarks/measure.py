"""Samples, taken in turns, so that the drift of a shared machine meets all targets alike."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OURS = "pytest-containers"
FLOOR = "unshare"


@dataclass
class Work:
    """One kind of work and its samples by target, in ``unit`` (milliseconds unless said otherwise)."""

    name: str
    unit: str = "ms"
    samples: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def median(self, target: str) -> float | None:
        """The median of a target's samples, None without any."""
        values = self.samples.get(target)
        return statistics.median(values) if values else None


def timed(action: Callable[[], object]) -> float:
    """Return how many milliseconds it took."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def interleave(
    name: str, targets: Mapping[str, Callable[[], float]], rounds: int, *, unit: str = "ms", warm_up: int = 1
) -> Work:
    """Call each target in turn, ``rounds`` times; a target that fails is left out and told on standard error."""
    work = Work(name, unit)
    alive = dict(targets)
    for number in range(warm_up + rounds):
        for target, sample in list(alive.items()):
            try:
                value = sample()
            except Exception as error:  # noqa: BLE001  # a peer that cannot do it must not end the benchmark
                print(f"{name}: {target} left out: {error}", file=sys.stderr)
                del alive[target]
                continue
            if number >= warm_up:
                work.samples.setdefault(target, []).append(value)
    return work
