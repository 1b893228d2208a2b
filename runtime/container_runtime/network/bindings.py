"""Which ports of a container are wanted where on the machine: Docker's ExposedPorts and PortBindings, read. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROTOCOLS = ("tcp", "udp", "sctp")
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104  Docker's meaning of no address
_HIGHEST = 65535


class Port(NamedTuple):
    """A port of a container."""

    number: int
    protocol: str

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


class Wanted(NamedTuple):
    """One of ``first`` to ``last`` (0: any that is free) at all of ``addresses`` is to lead to ``port``."""

    port: Port
    addresses: tuple[str, ...]
    first: int
    last: int


def parse_port(text: str) -> Port:
    """``80``, ``80/tcp``, ``53/udp``.

    Raises:
        InvalidParameter: it is no port, or of another protocol.
    """
    number, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if not _is_number(number) or not 0 < int(number) <= _HIGHEST:
        raise InvalidParameter(f'invalid port specification: "{number}"')
    if protocol not in PROTOCOLS:
        raise InvalidParameter(f"invalid proto: {protocol}: one of {', '.join(PROTOCOLS)} is expected")
    return Port(int(number), protocol)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", text) is not None


def parse_range(text: str) -> tuple[int, int]:
    """``8000``, ``8000-8010``, nothing or ``0`` for any; a protocol after a slash is Docker's to ignore.

    Raises:
        InvalidParameter: it is not a range of ports.
    """
    wanted = text.partition("/")[0]
    first, dash, last = wanted.partition("-")
    last = last if dash else first
    if not wanted or wanted == "0":
        return 0, 0
    if not (_is_number(first) and _is_number(last) and 0 < int(first) <= int(last) <= _HIGHEST):
        raise InvalidParameter(f'invalid port specification: "{text}"')
    return int(first), int(last)


def parse_address(text: str, where: str) -> tuple[str, ...]:
    """The addresses to listen at: all there are where none is named.

    Raises:
        InvalidParameter: it is no address; ``where`` names the field.
    """
    if not text:
        return ANYWHERE
    try:
        return (str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))),)
    except ValueError:
        raise InvalidParameter(f"invalid value for {where}.HostIp: {text!r} is not an IP address") from None


def exposed(names: Iterable[str]) -> list[Port]:
    """The ports of an image's ExposedPorts; what is no port is left out, nobody here can mend it."""
    found: dict[Port, None] = {}
    for name in names:
        try:
            found[parse_port(name)] = None
        except InvalidParameter:
            continue
    return [*found]


def parse_bindings(bindings: Mapping[str, Any]) -> list[Wanted]:
    """HostConfig.PortBindings, in the order in which they are to be served: those that leave no choice come first.

    Bindings of a port that differ only in the address get one number, as with Docker.

    Raises:
        InvalidParameter: something in it is wrong; the message names it.
    """
    found: list[Wanted] = []
    for name, entries in bindings.items():
        port, where = parse_port(name), f'HostConfig.PortBindings["{name}"]'
        if entries is not None and not isinstance(entries, list):
            raise InvalidParameter(f"invalid value for {where}: a list of objects is expected")
        own: list[Wanted] = []
        for number, entry in enumerate(entries or []):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            _merge(own, _parse_binding(port, entry, f"{where}[{number}]"))
        found += own
    return sorted(found, key=lambda wanted: (not wanted.first, wanted.first != wanted.last))


def _parse_binding(port: Port, entry: Any, where: str) -> Wanted:
    values: dict[str, Any] = {} if entry is None else entry
    if not isinstance(values, dict):  # pyright: ignore[reportUnnecessaryIsInstance]  it is a client's
        raise InvalidParameter(f"invalid value for {where}: an object is expected")
    for field in ("HostIp", "HostPort"):
        if not isinstance(values.get(field) or "", str):
            raise InvalidParameter(f"invalid value for {where}.{field}: a string is expected")
    addresses = parse_address(values.get("HostIp") or "", where)
    return Wanted(port, addresses, *parse_range(values.get("HostPort") or ""))


def _merge(known: list[Wanted], one: Wanted) -> None:
    """Add to the bindings of a port; to one of the same ports at other addresses where there is one."""
    for place, other in enumerate(known):
        if other[2:] == one[2:] and not {*other.addresses} & {*one.addresses}:
            known[place] = other._replace(addresses=other.addresses + one.addresses)
            return
    known.append(one)
