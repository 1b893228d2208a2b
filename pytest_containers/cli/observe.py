"""``top`` and ``events``."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_containers.cli import engine, output, times, values

if TYPE_CHECKING:
    from pytest_containers.client.observation import Event

_GAP = 20
"""Docker's table of ``top``: no column narrower, spaces included."""


def add_top(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``top``."""
    output.format_option(parser)
    parser.add_argument("container", metavar="CONTAINER")
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="ps OPTIONS", help="for ps, by default -ef")
    parser.set_defaults(handler=top)


def add_events(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``events``."""
    add = parser.add_argument
    add("-f", "--filter", action="append", default=[], metavar="KEY=VALUE",
        help="type, event, container, image, network, volume, label, …")  # fmt: skip
    add("--since", type=times.point, metavar="TIME", help="also what happened since then: 2026-01-31T12:00:00Z, or 5m")
    add("--until", type=times.point, metavar="TIME", help="end then")
    output.format_option(parser)
    parser.set_defaults(handler=events)


def top(args: argparse.Namespace) -> int:
    """Print the processes of a container."""
    with engine.connect(args) as client:
        found = client.containers.top(args.container, " ".join(args.options) or None)
    if args.format == "json":
        for process in found["Processes"]:
            output.line(output.as_json(dict(zip(found["Titles"], process, strict=False))))
        return 0
    output.line(output.table(found["Titles"], found["Processes"] or [], minimum=_GAP))
    return 0


def events(args: argparse.Namespace) -> int:
    """Print a line for each event, at once."""
    filters = values.filters(args.filter)
    with (
        engine.connect(args) as client,
        client.system.events(since=args.since, until=args.until, filters=filters) as stream,
    ):
        for event in stream:
            output.line(output.as_json(event) if args.format == "json" else event_line(event))
            output.flush()
    return 0


def event_line(event: Event) -> str:
    """Return an event as docker writes it: time, type, action, id and (attributes)."""
    nanoseconds = event["timeNano"]
    moment = datetime.fromtimestamp(nanoseconds // 10**9, UTC).astimezone()
    zone = moment.strftime("%z")
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09d}"
    text += "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    attributes: dict[str, Any] = event["Actor"].get("Attributes") or {}
    about = ", ".join(f"{key}={value}" for key, value in sorted(attributes.items()))
    return f"{text} {event['Type']} {event['Action']} {event['Actor']['ID']}" + (f" ({about})" if about else "")
