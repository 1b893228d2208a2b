"""``volume``: ls, create, rm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.cli import engine, options, output, values

if TYPE_CHECKING:
    import argparse

    from pytest_containers.client.request_types import VolumeBody
    from pytest_containers.client.types import VolumeDetails

COLUMNS = {"DRIVER": "Driver", "VOLUME NAME": "Name"}


def add_ls(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``volume ls``."""
    add = parser.add_argument
    add("-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help="dangling, driver, label, name")
    add("-q", "--quiet", action="store_true", help="print names only")
    output.format_option(parser)
    parser.set_defaults(handler=list_volumes)


def add_create(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``volume create``."""
    add = parser.add_argument
    add("-d", "--driver", default="local", metavar="NAME", help="driver (default local)")
    add("-o", "--opt", action=options.Pairs, default={}, metavar=options.KEY_VALUE, help="option of the driver")
    add("--label", action="append", default=[], metavar="KEY[=VALUE]", help="label the volume")
    add("name", nargs="?", metavar="VOLUME", help="made up where not given")
    parser.set_defaults(handler=create_volume)


def add_rm(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``volume rm``."""
    parser.add_argument("-f", "--force", action="store_true", help="one that is not there is no error")
    parser.add_argument("volumes", metavar="VOLUME", nargs="+")
    parser.set_defaults(handler=remove_volumes)


def list_volumes(args: argparse.Namespace) -> int:
    """Print the table of ``volume ls``."""
    filters = values.filters(args.filter)
    with engine.connect(args) as client:
        found = sorted(client.volumes.list(filters=filters), key=lambda volume: volume.get("Name", ""))
    if args.quiet:
        for volume in found:
            output.line(volume.get("Name", ""))
        return 0
    output.listing(map(volume_row, found), COLUMNS, args.format)
    return 0


def volume_row(volume: VolumeDetails) -> dict[str, str]:
    """Return a volume in the words of docker's ``--format json``; what only a Swarm's volumes have is N/A."""
    usage = volume.get("UsageData")
    return {
        "Availability": "N/A",
        "Driver": volume.get("Driver", ""),
        "Group": "N/A",
        "Labels": output.joined(volume.get("Labels")),
        "Links": str(usage["RefCount"]) if usage else "N/A",
        "Mountpoint": volume.get("Mountpoint", ""),
        "Name": volume.get("Name", ""),
        "Scope": volume.get("Scope", ""),
        "Size": output.size(usage["Size"], 4) if usage else "N/A",
        "Status": "N/A",
    }


def create_volume(args: argparse.Namespace) -> int:
    """Create a volume and print its name."""
    body: VolumeBody = {"Driver": args.driver, "DriverOpts": args.opt, "Labels": values.labels(args.label)}
    if args.name:
        body["Name"] = args.name
    with engine.connect(args) as client:
        output.line(client.volumes.create(body).get("Name", ""))
    return 0


def remove_volumes(args: argparse.Namespace) -> int:
    """Remove each and print its name."""
    with engine.connect(args) as client:
        return output.each(args.volumes, lambda name: client.volumes.remove(name, force=args.force))
