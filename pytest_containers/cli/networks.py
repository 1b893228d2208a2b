"""``network``: ls, create, connect, disconnect, rm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, options, output, values
from pytest_containers.client.errors import NotFoundError

if TYPE_CHECKING:
    import argparse

    from pytest_containers.client.request_types import EndpointConfig, IPAMPool, NetworkBody
    from pytest_containers.client.types import NetworkDetails

COLUMNS = {"NETWORK ID": "ID", "NAME": "Name", "DRIVER": "Driver", "SCOPE": "Scope"}


def add_ls(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``network ls``."""
    add = parser.add_argument
    add("-f", "--filter", action="append", default=[], metavar="KEY=VALUE",
        help="name, id, label, driver, scope, type, dangling")  # fmt: skip
    add("-q", "--quiet", action="store_true", help="print ids only")
    add("--no-trunc", action="store_true", help="do not shorten ids")
    output.format_option(parser)
    parser.set_defaults(handler=list_networks)


def add_create(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``network create``."""
    add = parser.add_argument
    add("-d", "--driver", default="bridge", metavar="NAME", help="what kind of network (default bridge)")
    add("-o", "--opt", action=options.Pairs, default={}, metavar=options.KEY_VALUE, help="option of the driver")
    add("--subnet", action="append", default=[], metavar="ADDRESS/BITS", help="its addresses: 172.30.0.0/16")
    add("--ip-range", action="append", default=[], metavar="ADDRESS/BITS", help="those of them that containers get")
    add("--gateway", action="append", default=[], metavar="ADDRESS", help="the address of the way out")
    add("--aux-address", action=options.Pairs, default={}, metavar="NAME=ADDRESS", help="an address that nobody gets")
    add("--ipam-driver", default="default", metavar="NAME", help="what gives addresses out")
    add("--ipam-opt", action=options.Pairs, default={}, metavar=options.KEY_VALUE, help="option of that driver")
    add("--internal", action="store_true", help="without a way to the outside")
    add("--attachable", action="store_true", help="containers may be connected by hand (always so without a Swarm)")
    add("--ipv4", type=options.boolean, metavar="true|false", help="IPv4 addresses (default true)")
    add("--ipv6", action="store_true", help="IPv6 addresses, too")
    add("--label", action="append", default=[], metavar="KEY[=VALUE]", help="label the network")
    add("name", metavar="NETWORK")
    parser.set_defaults(handler=create_network)


def add_connect(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``network connect``."""
    add = parser.add_argument
    add("--alias", action="append", default=[], metavar="NAME", help="a further name in the network")
    add("--ip", metavar="ADDRESS", help="its IPv4 address there")
    add("--ip6", metavar="ADDRESS", help="its IPv6 address there")
    add("--driver-opt", action=options.Pairs, default={}, metavar=options.KEY_VALUE, help="option of the driver")
    add("--gw-priority", type=int, metavar="NUMBER", help="the highest decides which network is the way out")
    add("network", metavar="NETWORK")
    add("container", metavar="CONTAINER")
    parser.set_defaults(handler=connect)


def add_disconnect(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``network disconnect``."""
    parser.add_argument("-f", "--force", action="store_true", help="also where the container is in trouble")
    parser.add_argument("network", metavar="NETWORK")
    parser.add_argument("container", metavar="CONTAINER")
    parser.set_defaults(handler=disconnect)


def add_rm(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``network rm``."""
    parser.add_argument("-f", "--force", action="store_true", help="one that is not there is no error")
    parser.add_argument("networks", metavar="NETWORK", nargs="+")
    parser.set_defaults(handler=remove_networks)


def list_networks(args: argparse.Namespace) -> int:
    """Print the table of ``network ls``."""
    filters = values.filters(args.filter)
    with engine.connect(args) as client:
        found = sorted(client.networks.list(filters=filters), key=lambda network: network.get("Name", ""))
    if args.quiet:
        for network in found:
            output.line(output.short_id(network.get("Id", ""), whole=args.no_trunc))
        return 0
    output.listing((network_row(network, whole=args.no_trunc) for network in found), COLUMNS, args.format)
    return 0


def network_row(network: NetworkDetails, *, whole: bool) -> dict[str, str]:
    """Return a network in the words of docker's ``--format json``."""
    return {
        "CreatedAt": _moment(network.get("Created", "")),
        "Driver": network.get("Driver", ""),
        "ID": output.short_id(network.get("Id", ""), whole=whole),
        "IPv4": str(network.get("EnableIPv4", True)).lower(),
        "IPv6": str(network.get("EnableIPv6", False)).lower(),
        "Internal": str(network.get("Internal", False)).lower(),
        "Labels": output.joined(network.get("Labels")),
        "Name": network.get("Name", ""),
        "Scope": network.get("Scope", ""),
    }


def _moment(text: str) -> str:
    """``2026-01-31T12:00:00.5Z`` as Go prints a time: ``2026-01-31 12:00:00.5 +0000 UTC``; others as they are."""
    match = re.fullmatch(r"(\S+)T([0-9:.]+)(Z|([+-]\d\d):(\d\d))", text)
    if not match:
        return text
    zone = "+0000 UTC" if match[3] in {"Z", "+00:00"} else f"{match[4]}{match[5]} {match[4]}{match[5]}"
    clock = match[2].rstrip("0").rstrip(".") if "." in match[2] else match[2]
    return f"{match[1]} {clock} {zone}"


def create_network(args: argparse.Namespace) -> int:
    """Create a network and print its id."""
    body: NetworkBody = {
        "Name": args.name,
        "Driver": args.driver,
        "Options": args.opt,
        "Internal": args.internal,
        "Attachable": args.attachable,
        "EnableIPv6": args.ipv6,
        "Labels": values.labels(args.label),
        "IPAM": {"Driver": args.ipam_driver, "Options": args.ipam_opt, "Config": pools(args)},
    }
    if args.ipv4 is not None:
        body["EnableIPv4"] = args.ipv4
    with engine.connect(args) as client:
        output.line(client.networks.create(body))
    return 0


def pools(args: argparse.Namespace) -> list[IPAMPool]:
    """Return the ranges of addresses: each gateway, range and reserved address belongs to the subnet it lies in.

    Raises:
        UsageError: an address is none, or lies in no subnet.
    """
    import ipaddress

    found: dict[ipaddress.IPv4Network | ipaddress.IPv6Network, IPAMPool] = {}

    def pool_of(address: str) -> IPAMPool:
        wanted = ipaddress.ip_interface(address).network
        for subnet, pool in found.items():
            if subnet.version == wanted.version and wanted.subnet_of(subnet):  # pyright: ignore[reportArgumentType]
                return pool
        raise values.UsageError(f"no matching subnet for {address}")

    try:
        for subnet in args.subnet:
            found[ipaddress.ip_network(subnet, strict=False)] = {"Subnet": subnet}
        for part in args.ip_range:
            pool_of(part)["IPRange"] = part
        for gateway in args.gateway:
            pool_of(gateway)["Gateway"] = gateway
        for name, address in args.aux_address.items():
            pool_of(address).setdefault("AuxiliaryAddresses", {})[name] = address
    except ValueError as error:
        raise values.UsageError(f"invalid address: {error}") from None
    return list(found.values())


def connect(args: argparse.Namespace) -> int:
    """Connect a container to a network."""
    endpoint: EndpointConfig = {}
    if args.alias:
        endpoint["Aliases"] = args.alias
    if addresses := {key: value for key, value in (("IPv4Address", args.ip), ("IPv6Address", args.ip6)) if value}:
        endpoint["IPAMConfig"] = addresses
    if args.driver_opt:
        endpoint["DriverOpts"] = args.driver_opt
    if args.gw_priority is not None:
        endpoint["GwPriority"] = args.gw_priority
    with engine.connect(args) as client:
        client.networks.connect(args.network, args.container, endpoint)
    return 0


def disconnect(args: argparse.Namespace) -> int:
    """Take a container out of a network."""
    with engine.connect(args) as client:
        client.networks.disconnect(args.network, args.container, force=args.force)
    return 0


def remove_networks(args: argparse.Namespace) -> int:
    """Remove each and print its name."""

    def remove(name: str) -> None:
        try:
            client.networks.remove(name)
        except NotFoundError:
            if not args.force:
                raise
        else:
            output.line(name)

    with engine.connect(args) as client:
        return output.each(args.networks, remove, silent=True)
