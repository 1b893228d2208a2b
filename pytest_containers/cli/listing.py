"""``ps`` and ``port``."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, output, ports, values

if TYPE_CHECKING:
    import argparse

    from pytest_containers.client.types import ContainerSummary

COLUMNS = {"CONTAINER ID": "ID", "IMAGE": "Image", "COMMAND": "Command", "CREATED": "RunningFor", "STATUS": "Status",
           "PORTS": "Ports", "NAMES": "Names"}  # fmt: skip
COMMAND_WIDTH, MOUNT_WIDTH = 20, 15
"""Characters of a command and of a mount's name that Docker's ``ps`` shows."""


def add_ps(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ps``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="show all, not only those that run")
    add("-f", "--filter", action="append", default=[], metavar="KEY=VALUE",
        help="name, id, label, status, ancestor, network, volume, health, exited, publish, …")  # fmt: skip
    add("-n", "--last", type=int, metavar="NUMBER", help="show those created last, in any state")
    add("-l", "--latest", action="store_const", const=1, dest="last", help="show the one created last")
    add("-q", "--quiet", action="store_true", help="print ids only")
    add("-s", "--size", action="store_true", help="show how much each wrote")
    add("--no-trunc", action="store_true", help="do not shorten ids and commands")
    output.format_option(parser)
    parser.set_defaults(handler=list_containers)


def add_port(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``port``."""
    output.format_option(parser)
    parser.add_argument("container", metavar="CONTAINER")
    parser.add_argument("port", nargs="?", metavar="PRIVATE_PORT[/PROTO]", help="only this one of its ports")
    parser.set_defaults(handler=list_ports)


def list_containers(args: argparse.Namespace) -> int:
    """Print the table of ``ps``."""
    filters = values.filters(args.filter)
    size = args.size or (args.format == "json" and not args.quiet)
    with engine.connect(args) as client:
        found = client.containers.list(all=args.all, filters=filters, limit=args.last, size=size)
    if args.quiet:
        for container in found:
            output.line(output.short_id(container.get("Id", ""), whole=args.no_trunc))
        return 0
    rows = (ps_row(one, time.time(), whole=args.no_trunc, virtual=args.size) for one in found)
    output.listing(rows, COLUMNS | ({"SIZE": "Size"} if args.size else {}), args.format)
    return 0


def ps_row(container: ContainerSummary, now: float, *, whole: bool, virtual: bool = False) -> dict[str, str]:
    """Return a container in the words of docker's ``--format json``."""
    command, created = container.get("Command", ""), container.get("Created", 0)
    mounts = [mount.get("Name") or mount.get("Source", "") for mount in container.get("Mounts") or ()]
    return {
        "Command": output.quoted(command if whole else output.shortened(command, COMMAND_WIDTH)),
        "CreatedAt": output.moment(created),
        "ID": output.short_id(container.get("Id", ""), whole=whole),
        "Image": image_cell(container, whole=whole),
        "Labels": output.joined(container.get("Labels")),
        "LocalVolumes": str(sum(mount.get("Driver") == "local" for mount in container.get("Mounts") or ())),
        "Mounts": ",".join(name if whole else output.shortened(name, MOUNT_WIDTH) for name in mounts),
        "Names": ",".join(name.removeprefix("/") for name in container.get("Names", ())),
        "Networks": ",".join(container.get("NetworkSettings", {}).get("Networks", {})),
        "Ports": ports.column(container.get("Ports") or ()),
        "RunningFor": output.ago(now - created),
        "Size": size_cell(container, virtual=virtual),
        "State": container.get("State", ""),
        "Status": container.get("Status", ""),
    }


def image_cell(container: ContainerSummary, *, whole: bool) -> str:
    """Return the image's name; without its digest, or as a short id where it has no name, unless ``whole``."""
    name = container.get("Image", "")
    if not name:
        return "<no image>"
    if whole:
        return name
    short = output.short_id(container.get("ImageID", ""))
    if short and output.short_id(name) == short:
        return short
    return re.sub(r"(?<=.)@sha256:[0-9a-f]+$", "", name)


def size_cell(container: ContainerSummary, *, virtual: bool = False) -> str:
    """Return what it wrote, and with ``virtual`` how much that is with its image."""
    written = output.size(container.get("SizeRw", 0))
    whole = container.get("SizeRootFs", 0)
    return f"{written} (virtual {output.size(whole)})" if virtual and whole > 0 else written


def list_ports(args: argparse.Namespace) -> int:
    """Print where the machine has the ports of a container."""
    with engine.connect(args) as client:
        found = client.containers.inspect(args.container).get("NetworkSettings", {}).get("Ports") or {}
    rows = [
        {"ContainerPort": inner, "HostIp": binding["HostIp"], "HostPort": binding["HostPort"]}
        for inner, bindings in sorted(found.items(), key=_by_number)
        for binding in bindings or ()
    ]
    if args.port:
        wanted = args.port if "/" in args.port else f"{args.port}/tcp"
        rows = [row for row in rows if row["ContainerPort"] == wanted]
        if not rows:
            raise values.UsageError(f"No public port '{args.port}' published for {args.container}")
    for row in rows:
        outer = ports.endpoint(row["HostIp"], row["HostPort"])
        if args.format == "json":
            output.line(output.as_json(row))
        else:
            output.line(outer if args.port else f"{row['ContainerPort']} -> {outer}")
    return 0


def _by_number(item: tuple[str, object]) -> tuple[int, str]:
    number, _, kind = item[0].partition("/")
    return int(number) if number.isdecimal() else 0, kind
