"""Medians, ratios and goals, for people and as JSON."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import FLOOR, OURS, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.measure import Work


@dataclass(frozen=True)
class Goal:
    """A number that is to be reached: at most ``limit``, or at least with ``at_least``."""

    text: str
    limit: float
    unit: str
    value: Callable[[Results], float | None]
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        """Whether the value is on the right side."""
        return value >= self.limit if self.at_least else value <= self.limit


class Results:
    """All works by name."""

    def __init__(self, works: Sequence[Work]) -> None:
        self.works = {work.name: work for work in works}

    def median(self, name: str, target: str = OURS) -> float | None:
        """The median of a target's samples, None where there are none."""
        work = self.works.get(name)
        return work.median(target) if work else None

    def ratio(self, name: str, above: str, below: str) -> float | None:
        """How many times one target's median is the other's; ``docker`` is any version of it."""
        work = self.works.get(name)
        if work is None:
            return None
        docker = next((target for target in work.samples if target.startswith("Docker")), "")
        upper, lower = (work.median(docker if name == "docker" else name) for name in (above, below))
        return upper / lower if upper is not None and lower else None


def _growth(results: Results) -> float | None:
    name = "pytest run without containers"
    with_plugin, alone = results.median(name), results.median(name, "pytest alone")
    return None if with_plugin is None or alone is None else with_plugin - alone


def _podman(results: Results) -> float | None:
    theirs, ours = (
        results.median("podman run as a user, no network", "podman"),
        results.median("cycle without network", USER),
    )
    return theirs / ours if theirs and ours else None


GOALS = (
    Goal("launcher alone, beside bare unshare", 1.5, "×", lambda r: r.ratio("launcher alone", OURS, FLOOR)),
    Goal("run and remove with network, faster than Docker", 20, "×",
         lambda r: r.ratio("cycle with network", "docker", OURS), at_least=True),
    Goal("run and remove with network, beside bare unshare", 3, "×",
         lambda r: r.ratio("cycle with network", OURS, FLOOR)),
    Goal("a user's run and remove with network, beside root's", 1.5, "×",
         lambda r: r.ratio("cycle with network", USER, OURS)),
    Goal("a user's run and remove without network, beside podman's run", 10, "×", _podman, at_least=True),
    Goal("a user's engine ready, beside root's", 1.5, "×", lambda r: r.ratio("engine ready", USER, OURS)),
    Goal("engine ready", 200, "ms", lambda r: r.median("engine ready")),
    Goal("exec", 5, "ms", lambda r: r.median("exec")),
    Goal("exec, faster than Docker", 10, "×", lambda r: r.ratio("exec", "docker", OURS), at_least=True),
    Goal("attached output, beside Docker's", 1, "×", lambda r: r.ratio("attached output", OURS, "docker"),
         at_least=True),
    Goal("logs of 100,000 lines, faster than Docker", 1, "×",
         lambda r: r.ratio("logs of 100000 lines", "docker", OURS), at_least=True),
    Goal("200 containers listed, faster than Docker", 1, "×",
         lambda r: r.ratio("200 containers listed", "docker", OURS), at_least=True),
    Goal("100 containers started", 1000, "ms", lambda r: r.median("100 started, 10 at once")),
    Goal("memory per idle container", 1, "MB", lambda r: r.median("memory per idle container, of 100")),
    Goal("growth of a pytest run without containers", 15, "ms", _growth),
    Goal("fixture set-up", 25, "ms", lambda r: r.median("fixture set-up")),
    Goal("fixture teardown", 10, "ms", lambda r: r.median("fixture teardown")),
    Goal("redis-server fixture set-up, ready", 25, "ms", lambda r: r.median("redis-server fixture set-up")),
    Goal("redis-server fixture teardown", 5, "ms", lambda r: r.median("redis-server fixture teardown")),
    Goal("in_container, from the second test on", 40, "ms", lambda r: r.median("in_container test")),
    Goal("kill -9 of pytest until nothing is left", 2000, "ms",
         lambda r: r.median("kill -9 of pytest until nothing is left")),
)  # fmt: skip


def machine() -> dict[str, str]:
    """What it was measured on."""
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]  # fmt: skip
    return {
        "processor": f"{os.cpu_count()} × {names[0] if names else platform.machine()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def table(works: Sequence[Work]) -> str:
    """Return a line for each work: each target's median, and in brackets how many times ours it is."""
    targets = list(dict.fromkeys(target for work in works for target in work.samples))
    lines = [["", *targets]]
    for work in works:
        ours = work.median(OURS)
        lines.append([work.name, *(_cell(work, target, ours) for target in targets)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        line[0].ljust(widths[0])
        + "".join("  " + cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def _cell(work: Work, target: str, ours: float | None) -> str:
    value = work.median(target)
    if value is None:
        return "–"
    text = f"{value:.2f} {work.unit}" if value < 10 else f"{value:.0f} {work.unit}"
    return text if target == OURS or not ours else f"{text} ({value / ours:.1f}×)"


def goal_lines(results: Results) -> list[str]:
    """A line for each goal: met, not met, or not measured."""
    lines: list[str] = []
    for goal in GOALS:
        value = goal.value(results)
        verdict = "not measured" if value is None else "met" if goal.is_met(value) else "NOT MET"
        sign = "≥" if goal.at_least else "≤"
        told = "–" if value is None else f"{value:.2f} {goal.unit}"
        lines.append(f"{goal.text:<50} {sign} {goal.limit:g} {goal.unit:<3} {told:>12}  {verdict}")
    return lines


def document(works: Sequence[Work]) -> dict[str, Any]:
    """Return everything as a JSON value."""
    results = Results(works)
    goals = [(goal, goal.value(results)) for goal in GOALS]
    return {
        "machine": machine(),
        "works": [
            {
                "name": work.name,
                "unit": work.unit,
                "samples": work.samples,
                "medians": {target: work.median(target) for target in work.samples},
            }
            for work in works
        ],
        "goals": [
            {"text": goal.text, "limit": goal.limit, "at_least": goal.at_least, "unit": goal.unit, "value": value,
             "met": None if value is None else goal.is_met(value)}
            for goal, value in goals
        ],
    }  # fmt: skip
