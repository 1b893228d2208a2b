"""``logs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.cli import engine, output, times

if TYPE_CHECKING:
    import argparse


def add_logs(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``logs``."""
    add = parser.add_argument
    add("-f", "--follow", action="store_true", help="go on until the container ends")
    add("--since", type=times.point, metavar="TIME", help="what was written since then: 2026-01-31T12:00:00Z, or 5m")
    add("--until", type=times.point, metavar="TIME", help="what was written before then")
    add("-n", "--tail", default="all", metavar="LINES", help="print the last lines only")
    add("-t", "--timestamps", action="store_true", help="print the time of each line")
    add("container", metavar="CONTAINER")
    parser.set_defaults(handler=print_logs)


def print_logs(args: argparse.Namespace) -> int:
    """Write what the container wrote, each stream to its own."""
    with (
        engine.connect(args) as client,
        client.containers.follow(
            args.container,
            follow=args.follow,
            since=args.since,
            until=args.until,
            tail=args.tail,
            timestamps=args.timestamps,
        ) as stream,
    ):
        for number, data in stream:
            output.raw(number, data)
    return 0
