"""Samples, taken in turns and each on an idle machine, so that drift meets all alike and no target pays for another."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OURS = "pytest-containers"
USER = "as a user"  # ours, for an ordinary user with nothing
FLOOR = "unshare"
_MOMENT = 0.03  # seconds
_IDLE = 0.05  # of the processors' time


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


def _processor_time() -> tuple[int, int]:
    """Busy and idle ticks of all processors since boot, proc_stat(5)."""
    with Path("/proc/stat").open() as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    idle = fields[3] + fields[4]
    return sum(fields[:8]) - idle, idle


def rest(limit: float = 1.0) -> None:
    """Return when the processors have been idle for a moment, or after ``limit`` seconds on a machine with others.

    What a target leaves to do after its answer (containerd's shims, the kernel's dying namespaces, our own next
    process) would otherwise count for the target that comes after it.
    """
    end = time.monotonic() + limit
    while time.monotonic() < end:
        busy, idle = _processor_time()
        time.sleep(_MOMENT)
        busy, idle = _processor_time()[0] - busy, _processor_time()[1] - idle
        if busy <= (busy + idle) * _IDLE:
            return


def interleave(
    name: str, targets: Mapping[str, Callable[[], float]], rounds: int, *, unit: str = "ms", warm_up: int = 1
) -> Work:
    """Call each target in turn, ``rounds`` times, on a machine that has come to rest.

    A target that fails is left out and told on standard error.
    """
    work = Work(name, unit)
    alive = dict(targets)
    for number in range(warm_up + rounds):
        for target, sample in list(alive.items()):
            try:
                rest()
                value = sample()
            except Exception as error:  # noqa: BLE001  # a peer that cannot do it must not end the benchmark
                print(f"{name}: {target} left out: {error}", file=sys.stderr)
                del alive[target]
                continue
            if number >= warm_up:
                work.samples.setdefault(target, []).append(value)
    return work
