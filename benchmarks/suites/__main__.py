"""``python -m benchmarks.suites``: the suites with each tool, in turns; lines of code and times, side by side.

Needs root, the Debian packages busybox-static, redis-server and postgresql, and the package index for the peers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import engines, report
from benchmarks.measure import rest
from benchmarks.suites import images
from benchmarks.suites.tools import OURS, SUITES, TOOLS, Result, Tool, install, run
from pytest_containers.client import Client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Results = dict[str, dict[str, list[Result]]]
"""By suite and tool."""
HEADING = """\
| suite | tool | lines | wall | overhead a test | set-up and teardown of a test |
|---|---|---|---|---|---|"""


def measure(suites: Sequence[str], tests: int | None, rounds: int, directory: Path) -> Results:
    """Run them all; the first run of each, with one test, is not counted: it compiles, and makes snapshots."""
    archives = images.build(directory)
    results: Results = {suite: {tool.name: [] for tool in TOOLS} for suite in suites}
    with contextlib.ExitStack() as stack:
        docker = stack.enter_context(engines.peers_dockerd(directory))
        for load in (engines.spawn_ours(directory), contextlib.nullcontext((None, docker))):
            with load as (_, url), Client(url) as client:
                images.load(client, archives)
        for suite in suites:
            for number in range(rounds + 1):
                for tool in TOOLS:
                    rest()
                    result = run(tool, suite, (tests or SUITES[suite]) if number else 1, docker)
                    results[suite][tool.name] += [result] * bool(number)
    return results


def rows(suite: str, results: Mapping[str, Sequence[Result]]) -> list[list[str]]:
    """A suite's lines of the table, medians of the rounds."""

    def median(tool: Tool, field: str) -> float:
        return statistics.median(getattr(result, field) for result in results[tool.name])

    lines: list[list[str]] = []
    for tool in TOOLS:
        cells = [suite, tool.name, str(tool.lines(suite)), f"{median(tool, 'wall'):.2f} s"]
        for field in ("overhead", "fixtures"):
            value, ours = median(tool, field), median(OURS, field)
            cells.append(f"{value * 1000:.0f} ms" + ("" if tool == OURS or not ours else f" ({value / ours:.1f}×)"))
        lines.append(cells)
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suites", description=__doc__)
    parser.add_argument("--suites", nargs="+", choices=SUITES, default=list(SUITES), help="these only")
    parser.add_argument("--tests", type=int, help=f"tests of each suite (default {SUITES})")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each suite with each tool (default 3)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all times there")
    args = parser.parse_args(arguments)
    if os.geteuid() != 0:
        parser.error("needs root, as the peers do")
    install()
    # On the disk of /var: neither Docker nor we can put layers on an overlay, which /tmp may be.
    with tempfile.TemporaryDirectory(prefix="pytest-containers-suites-", dir="/var/tmp") as name:
        os.environ["PYTEST_CONTAINERS_DATA"] = f"{name}/data"
        results = measure(args.suites, args.tests, args.rounds, Path(name))
    print(*(f"{key}: {value}" for key, value in report.machine().items()), sep=", ")
    print(HEADING)
    for suite in args.suites:
        print(*("| " + " | ".join(row) + " |" for row in rows(suite, results[suite])), sep="\n")
    if args.json:
        plain = {
            suite: {name: [vars(one) for one in runs] for name, runs in by.items()} for suite, by in results.items()
        }
        args.json.write_text(json.dumps(plain, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
