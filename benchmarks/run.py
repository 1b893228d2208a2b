"""``python -m benchmarks.run``: all works, ours and the peers' in turns; medians, ratios, goals.

Needs root and the package busybox-static. Peers that are not there are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import api_cases, engines, image, processes, pytest_cases, report, stream_cases
from benchmarks.measure import OURS, USER, Work, interleave, timed
from pytest_containers.client import Client

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = ("launcher", "api", "streams", "many", "ready", "pytest")


def engine_ready(directory: Path, user: engines.User | None = None) -> float:
    """From the spawn of an engine to the exit of its first `true` with a network, on the host image."""
    with contextlib.ExitStack() as stack:

        def work() -> None:
            _, url = stack.enter_context(engines.spawn_ours(directory, user))
            client = stack.enter_context(Client(url))
            name = client.containers.create({"Image": "host", "Cmd": ["true"]})
            client.containers.start(name)
            if (code := client.containers.wait(name)) != 0:
                raise RuntimeError(f"`true` ended with {code}")

        return timed(work)


def measure(args: argparse.Namespace, directory: Path) -> list[Work]:
    """Run the parts that are asked for."""
    tree = image.build_tree(directory)
    archive = image.pack(tree)
    works: list[Work] = []
    with contextlib.ExitStack() as stack:
        peers = stack.enter_context(engines.peers_root()) if args.peers and "launcher" in args.parts else None
        if "launcher" in args.parts:
            works += processes.measure(tree, archive, peers, args.rounds)
        if {"api", "streams", "many"} & set(args.parts):
            works += _engines(args, directory, archive)
        if "ready" in args.parts:
            targets = {OURS: lambda: engine_ready(directory)}
            if (user := stack.enter_context(engines.user())) is not None:
                targets[USER] = lambda: engine_ready(directory, user)
            works.append(interleave("engine ready", targets, min(args.rounds, 15)))
        if "pytest" in args.parts:
            works += pytest_cases.measure(args.rounds)
    return works


def _engines(args: argparse.Namespace, directory: Path, archive: Path) -> list[Work]:
    works: list[Work] = []
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(engines.ours(directory, archive))]
        if (user := stack.enter_context(engines.user())) is not None:
            running.append(stack.enter_context(engines.ours(directory, archive, user)))
        url = args.docker or (stack.enter_context(engines.peers_dockerd(directory)) if args.peers else None)
        if url:
            running.append(stack.enter_context(engines.docker(url, archive)))
        if "api" in args.parts:
            works += api_cases.measure(running, processes.floor, args.rounds)
        if "streams" in args.parts:
            works += stream_cases.measure(running, args.rounds)
        if "many" in args.parts:
            works += api_cases.measure_many(running, min(args.rounds, 3))
    return works


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--docker", metavar="unix://PATH", help="a Docker Engine to measure beside ours")
    parser.add_argument("--peers", action="store_true", help="make and start Docker and Podman with peers.sh")
    parser.add_argument("--rounds", type=int, default=20, help="samples of each work and target (default 20)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all samples there")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="measure these only")
    args = parser.parse_args(arguments)
    if os.geteuid() != 0:
        parser.error("needs root, as the peers do")
    groups = processes.cgroup_directories()
    # On the disk of /var: neither Docker nor we can put layers on an overlay, which /tmp may be.
    with tempfile.TemporaryDirectory(prefix="pytest-containers-benchmark-", dir="/var/tmp") as name:
        os.environ["PYTEST_CONTAINERS_DATA"] = f"{name}/data"
        os.environ.pop("DOCKER_HOST", None)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody's programs are compiled anew each time they run
        try:
            works = measure(args, Path(name))
        finally:
            processes.remove_groups(processes.cgroup_directories() - groups)
    print(*(f"{key}: {value}" for key, value in report.machine().items()), sep=", ")
    print("\n" + report.table(works) + "\n")
    print(*report.goal_lines(report.Results(works)), sep="\n")
    if args.json:
        args.json.write_text(json.dumps(report.document(works), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
