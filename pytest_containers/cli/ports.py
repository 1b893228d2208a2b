"""Docker's notations for ports: ``-p``, ``--expose``, and the column PORTS."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_containers.client.request_types import PortBinding
    from pytest_containers.client.types import Port

_SPEC = re.compile(r"(?:(?P<ip>\[[^\]]*\]|[^:\[\]]*):)??(?:(?P<host>[0-9-]*):)?(?P<inner>[0-9-]+)(?:/(?P<kind>\w+))?",
                   re.ASCII)  # fmt: skip
_KINDS = ("tcp", "udp", "sctp")


class Published(NamedTuple):
    """One ``-p``: the ports of the container (``80/tcp``), each with where the machine has it."""

    bindings: dict[str, PortBinding]


def published(text: str) -> Published:
    """Read ``[[ADDRESS:][PORT]:]PORT[/tcp|udp|sctp]``; a port may be a range, ``8000-8010``."""
    match = _SPEC.fullmatch(text)
    if not match:
        raise ArgumentTypeError(f"bad port {text!r}: expected [ADDRESS:][PORT:]PORT[/udp], such as 8080:80")
    kind = _kind(match["kind"], text)
    inner = _range(match["inner"], text)
    outer = _range(match["host"], text) if match["host"] else None
    address = (match["ip"] or "").strip("[]")
    if outer is None:
        hosts = [""] * len(inner)
    elif len(outer) == len(inner):
        hosts = [str(port) for port in outer]
    elif len(inner) == 1:  # any free one of the range
        hosts = [match["host"]]
    else:
        raise ArgumentTypeError(f"bad port {text!r}: the ranges are of different lengths")
    return Published(
        {f"{port}/{kind}": {"HostIp": address, "HostPort": host} for port, host in zip(inner, hosts, strict=True)}
    )


def exposed(text: str) -> list[str]:
    """Read ``PORT[-PORT][/PROTOCOL]``."""
    ports, _, kind = text.partition("/")
    return [f"{port}/{_kind(kind, text)}" for port in _range(ports, text)]


def _kind(kind: str | None, text: str) -> str:
    found = (kind or "tcp").lower()
    if found not in _KINDS:
        raise ArgumentTypeError(f"bad port {text!r}: the protocol is one of {', '.join(_KINDS)}")
    return found


def _range(text: str, whole: str) -> range:
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise ArgumentTypeError(f"bad port {whole!r}: expected a number, or two as in 8000-8010")
    found = range(int(first), int(last or first) + 1)
    if not found or found[-1] > 65535:
        raise ArgumentTypeError(f"bad port {whole!r}: ports go from 0 to 65535")
    return found


def bindings(specs: Iterable[Published]) -> dict[str, list[PortBinding]]:
    """Return what the API wants: each port of the container with all that lead to it."""
    found: dict[str, list[PortBinding]] = {}
    for spec in specs:
        for port, binding in spec.bindings.items():
            found.setdefault(port, []).append(binding)
    return found


def endpoint(address: str, port: int | str) -> str:
    """Return ``address:port``, brackets around IPv6."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def column(ports: Iterable[Port]) -> str:
    """Return the cell PORTS of ``ps``, consecutive ports in one: ``7000-7002/tcp, 0.0.0.0:8080->80/tcp``.

    The order is that of Docker's command (cli/command/formatter/container.go, DisplayablePorts).
    """
    groups: dict[tuple[str, str], tuple[int, int]] = {}
    done: list[str] = []
    elsewhere: list[str] = []
    for port in sorted(ports, key=_order):
        inner, address, kind = port.get("PrivatePort", 0), port.get("IP", ""), port.get("Type", "tcp")
        outer = port.get("PublicPort", 0)
        if address and outer != inner:
            elsewhere.append(f"{endpoint(address, outer)}->{inner}/{kind}")
            continue
        first, last = groups.get((address, kind), (inner, inner - 1))
        if inner != last + 1:
            done.append(_group(address, kind, first, last))
            first = inner
        groups[address, kind] = first, inner
    return ", ".join([*done, *(_group(*key, *span) for key, span in groups.items()), *elsewhere])


def _order(port: Port) -> tuple[int, str, int, str]:
    return port.get("PrivatePort", 0), port.get("IP", ""), port.get("PublicPort", 0), port.get("Type", "")


def _group(address: str, kind: str, first: int, last: int) -> str:
    span = f"{first}-{last}" if first != last else f"{first}"
    return f"{endpoint(address, span)}->{span}/{kind}" if address else f"{span}/{kind}"
