"""Which addresses networks and containers get: arithmetic on whole numbers, pure.

The default pool is 198.18.0.0/15, which RFC 2544 sets aside for tests: nobody's machines are there, and nothing
routes it. An engine claims a /20 of it at a time; the default network gets a /22 of the first, others a /26.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from container_runtime.errors import EngineError, InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEFAULT_POOL = "198.18.0.0/15"
BLOCK_PREFIX = 20
DEFAULT_NETWORK_PREFIX = 22
NETWORK_PREFIX = 26


@dataclass(frozen=True)
class Subnet:
    """An IPv4 subnet: its first address as a number, and its prefix length."""

    base: int
    prefix: int

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return 1 << (32 - self.prefix)

    def overlaps(self, other: Subnet) -> bool:
        """Whether an address is in both."""
        return self.base < other.base + other.size and other.base < self.base + self.size

    def covers(self, other: Subnet) -> bool:
        """Whether all addresses of the other are in it."""
        return self.base <= other.base and other.base + other.size <= self.base + self.size

    def contains(self, number: int) -> bool:
        """Whether the address is in it."""
        return self.base <= number < self.base + self.size

    def address(self, offset: int) -> str:
        """The address at ``offset`` from the first."""
        return dotted(self.base + offset)

    def divide(self, prefix: int) -> Iterator[Subnet]:
        """Its parts of the given prefix length, in order."""
        for base in range(self.base, self.base + self.size, 1 << (32 - prefix)):
            yield Subnet(base, prefix)

    def __str__(self) -> str:
        return f"{dotted(self.base)}/{self.prefix}"


def dotted(number: int) -> str:
    """An address in its usual form."""
    return socket.inet_ntoa(number.to_bytes(4, "big"))


def number_of(address: str, what: str = "address") -> int:
    """The number of a dotted address.

    Raises:
        InvalidParameter: it is none; ``what`` names the field.
    """
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")
    except (OSError, ValueError):
        raise InvalidParameter(f"{what}: {address!r} is not an IPv4 address") from None


def parse_subnet(text: str) -> Subnet:
    """A subnet in CIDR form; bits behind the prefix are refused.

    Raises:
        InvalidParameter: it is none, or has no room for two containers.
    """
    address, slash, length = text.partition("/")
    if not slash or not length.isascii() or not length.isdigit() or not 8 <= int(length) <= 29:
        raise InvalidParameter(f"Subnet: {text!r} is not an IPv4 subnet with a prefix from /8 to /29")
    subnet = Subnet(number_of(address, "Subnet"), int(length))
    if subnet.base % subnet.size:
        raise InvalidParameter(f"Subnet: {text!r} has bits set behind its prefix")
    return subnet


def free_blocks(pool: Subnet, taken: Iterable[Subnet], start: int = 0) -> Iterator[Subnet]:
    """The blocks of the pool that overlap nothing in ``taken``, beginning somewhere so that engines seldom meet."""
    others = list(taken)
    blocks = list(pool.divide(max(BLOCK_PREFIX, pool.prefix)))
    for number in range(len(blocks)):
        block = blocks[(number + start) % len(blocks)]
        if not any(block.overlaps(other) for other in others):
            yield block


def choose_subnet(blocks: Iterable[Subnet], taken: Iterable[Subnet], prefix: int) -> Subnet | None:
    """The first part of the blocks that is free, or None: then another block is wanted."""
    others = list(taken)
    for block in blocks:
        for part in block.divide(prefix):
            if not any(part.overlaps(other) for other in others):
                return part
    return None


def choose_address(subnet: Subnet, taken: set[int], last: int) -> int:
    """The next free address after ``last``: a number is used again as late as possible.

    The first address is the network's, the last the broadcast's; ``taken`` has the gateway's.

    Raises:
        EngineError: all are in use.
    """
    first, count = subnet.base + 1, subnet.size - 2
    offset = last - first + 1 if last >= first else 0
    for number in range(count):
        candidate = first + (offset + number) % count
        if candidate not in taken:
            return candidate
    raise EngineError(f"the network {subnet} has no free address: {len(taken) - 1} containers are in it")


def check_gateway(subnet: Subnet | None, gateway: str) -> None:
    """Refuse a gateway that the subnet cannot have, in Docker's words.

    Raises:
        InvalidParameter: no address of it, or there is no subnet.
        EngineError: the address of the network itself, or the last one.
    """
    if subnet is None:
        raise InvalidParameter("invalid network config:\ninvalid subnet : invalid CIDR block notation")
    try:
        number = number_of(gateway, "Gateway")
    except InvalidParameter:
        raise InvalidParameter(f"invalid network config:\ninvalid gateway {gateway}: invalid address") from None
    if not subnet.contains(number):
        raise InvalidParameter(
            f"invalid network config:\ninvalid gateway {gateway}: parent subnet {subnet} doesn't contain this address"
        )
    if number - subnet.base in {0, subnet.size - 1}:
        raise EngineError(f"failed to allocate gateway ({gateway}): Address already in use")


def mac_of(address: str) -> bytes:
    """The hardware address that goes with an IPv4 address: 02:42 and its bytes, as Docker does it."""
    return b"\x02\x42" + socket.inet_aton(address)


def parse_mac(text: str) -> bytes:
    """The six bytes of an interface's address.

    Raises:
        InvalidParameter: it is none, or one of a group.
    """
    parts = text.split(":")
    try:
        value = bytes(int(part, 16) for part in parts)
    except ValueError:
        value = b""
    if len(value) != 6 or value[0] & 1:
        raise InvalidParameter(f"MacAddress: {text!r} is not the address of one interface")
    return value
