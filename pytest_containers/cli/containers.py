"""``ps``, ``logs``, ``stop`` and ``rm``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, output
from pytest_containers.client.errors import APIError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pytest_containers.cli.commands import Commands
    from pytest_containers.client.types import ContainerSummary, Port

PS_HEADER = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
COMMAND_WIDTH = 20
"""Characters of a command that ``ps`` shows, as Docker's does."""


def register(commands: Commands) -> None:
    """Add the commands."""
    ps = commands.add_parser("ps", help="list containers", allow_abbrev=False)
    ps.add_argument("-a", "--all", action="store_true", help="show all, not only those that run")
    ps.add_argument("-q", "--quiet", action="store_true", help="print ids only")
    ps.add_argument("--no-trunc", action="store_true", help="do not shorten ids and commands")
    ps.set_defaults(handler=list_containers)

    logs = commands.add_parser("logs", help="print the output of a container", allow_abbrev=False)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the container ends")
    logs.add_argument("-n", "--tail", default="all", metavar="LINES", help="print the last lines only")
    logs.add_argument("-t", "--timestamps", action="store_true", help="print the time of each line")
    logs.add_argument("container", metavar="CONTAINER")
    logs.set_defaults(handler=print_logs)

    stop = commands.add_parser("stop", help="stop running containers", allow_abbrev=False)
    stop.add_argument("-t", "--timeout", "--time", type=int, metavar="SECONDS",
                      help="time to end by itself before it is killed (default 10)")  # fmt: skip
    stop.add_argument("containers", metavar="CONTAINER", nargs="+")
    stop.set_defaults(handler=stop_containers)

    remove = commands.add_parser("rm", help="remove containers", allow_abbrev=False)
    remove.add_argument("-f", "--force", action="store_true", help="kill them first where they run")
    remove.add_argument("-v", "--volumes", action="store_true", help="remove their anonymous volumes, too")
    remove.add_argument("containers", metavar="CONTAINER", nargs="+")
    remove.set_defaults(handler=remove_containers)


def list_containers(args: argparse.Namespace) -> int:
    """Print the table of ``ps``."""
    with engine.connect(args) as client:
        found = client.containers.list(all=args.all)
    if args.quiet:
        for container in found:
            output.line(output.short_id(container.get("Id", ""), whole=args.no_trunc))
    else:
        output.line(output.table(PS_HEADER, (ps_row(one, time.time(), whole=args.no_trunc) for one in found)))
    return 0


def ps_row(container: ContainerSummary, now: float, *, whole: bool) -> tuple[str, ...]:
    """Return the cells of one container, in the order of ``PS_HEADER``."""
    command = container.get("Command", "")
    return (
        output.short_id(container.get("Id", ""), whole=whole),
        output.short_id(container.get("Image", "")) if not whole else container.get("Image", ""),
        '"' + (command if whole else output.shortened(command, COMMAND_WIDTH)) + '"',
        output.age(now - container.get("Created", 0)) + " ago",
        container.get("Status", ""),
        ", ".join(port_text(port) for port in container.get("Ports", ())),
        ",".join(name.removeprefix("/") for name in container.get("Names", ())),
    )


def port_text(port: Port) -> str:
    """``6379/tcp``, or ``0.0.0.0:8080->80/tcp`` where it is published."""
    inner = f"{port.get('PrivatePort', 0)}/{port.get('Type', 'tcp')}"
    if public := port.get("PublicPort"):
        return f"{port.get('IP', '')}:{public}->{inner}"
    return inner


def print_logs(args: argparse.Namespace) -> int:
    """Write what the container wrote, each stream to its own."""
    with (
        engine.connect(args) as client,
        client.containers.follow(
            args.container, follow=args.follow, tail=args.tail, timestamps=args.timestamps
        ) as stream,
    ):
        for number, data in stream:
            output.raw(number, data)
    return 0


def stop_containers(args: argparse.Namespace) -> int:
    """Stop each; print the name of each that is stopped."""
    with engine.connect(args) as client:
        return _each(args.containers, lambda name: client.containers.stop(name, args.timeout))


def remove_containers(args: argparse.Namespace) -> int:
    """Remove each; print the name of each that is removed."""
    with engine.connect(args) as client:
        return _each(
            args.containers, lambda name: client.containers.remove(name, force=args.force, volumes=args.volumes)
        )


def _each(names: list[str], action: Callable[[str], None]) -> int:
    """Do all, whatever becomes of one; return 1 if one failed."""
    status = 0
    for name in names:
        try:
            action(name)
        except APIError as error:
            output.error(str(error))
            status = 1
        else:
            output.line(name)
    return status
