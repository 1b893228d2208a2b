"""The outside by UDP: what ``egress`` does for connections.

A datagram is not redirected, since nobody could say afterwards where it was going. It is handed over as it is (nftables
``tproxy``, Documentation/networking/tproxy.rst) to a socket that takes what is for others, and is sent on from the
machine's own namespace. Answers go back from a socket that is bound to the address that was asked, though it is not
ours: both are allowed to who owns the namespace.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

from container_runtime.errors import KernelError
from container_runtime.kernel import namespaces, nftables
from container_runtime.network.datagrams import Flow, Flows, receive
from container_runtime.network.egress import MACHINE, PORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.network.backbone import Backbone

# linux/in.h; Python 3.11 has no names for them.
_IP_TRANSPARENT, _IP_RECVORIGDSTADDR = 19, 20
_SPACE = socket.CMSG_SPACE(16)  # a struct sockaddr_in
_FIRST_MULTICAST = 224  # RFC 1112: what follows is for several at once, and ends at the engine's namespace


def original_destination(control: list[Any]) -> tuple[str, int] | None:
    """Where a datagram was going, of its control messages (IP_ORIGDSTADDR: struct sockaddr_in)."""
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_IP, _IP_RECVORIGDSTADDR) and len(data) >= 8:
            port, address = struct.unpack_from("!2xH4s", data)
            return socket.inet_ntoa(address), port
    return None


def start(backbone: Backbone, allowed: Callable[[str, str], bool], *, machine_only: bool) -> DatagramEgress | None:
    """None where the kernel has no tproxy: all but UDP to the outside works without, and the log says so."""
    try:
        return DatagramEgress(backbone, allowed, machine_only=machine_only)
    except KernelError as error:
        print(f"container_runtime: no UDP to the outside: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return None


class DatagramEgress:
    """The socket that takes what leaves, and the flows that it has led to."""

    def __init__(self, backbone: Backbone, allowed: Callable[[str, str], bool], *, machine_only: bool = False) -> None:
        """Have datagrams handed over; ``allowed`` and ``machine_only`` as for ``Egress``.

        Raises:
            KernelError: a kernel without nft_tproxy; then no UDP leaves.
        """
        self._backbone = backbone
        self._allowed = allowed
        self._flows = Flows()
        self._loop = asyncio.get_running_loop()
        self._listener = backbone.listen("0.0.0.0", PORT, socket.SOCK_DGRAM, outside=True)  # noqa: S104  our own
        try:
            self._listener.setsockopt(socket.SOL_IP, _IP_TRANSPARENT, 1)
            self._listener.setsockopt(socket.SOL_IP, _IP_RECVORIGDSTADDR, 1)
            self._hand_over(machine_only=machine_only)
        except BaseException:
            self._listener.close()
            raise
        self._loop.add_reader(self._listener.fileno(), receive, self._listener, self._take, _SPACE)

    def _hand_over(self, *, machine_only: bool) -> None:
        backbone, pool = self._backbone, self._backbone.pool
        if backbone.outer < 0:
            namespaces.inside(
                backbone.namespace, lambda: nftables.hand_over(pool.address(0), pool.prefix, "uplink", PORT)
            )
        elif machine_only:
            namespaces.inside(backbone.outer, lambda: nftables.hand_over_to(backbone.machine_address, PORT))
        else:
            namespaces.inside(backbone.outer, lambda: nftables.hand_over_all(PORT))
        backbone.take_marked(nftables.MARK)

    def _take(self, data: bytes, control: list[Any], sender: tuple[str, int]) -> None:
        asked = original_destination(control)
        if asked is None or int(asked[0].partition(".")[0]) >= _FIRST_MULTICAST:
            return
        destination = asked
        if asked[0] == self._backbone.machine_address:
            destination = (MACHINE, asked[1])
        elif not self._allowed(sender[0], asked[0]):
            return
        self._flows.send((self._listener, (sender, asked)), data, lambda: self._flow(sender, asked, destination))

    def _flow(self, sender: tuple[str, int], asked: tuple[str, int], destination: tuple[str, int]) -> Flow:
        back = self._backbone.make_socket(socket.SOCK_DGRAM, outside=True)
        ahead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            # Several containers may ask the same address, each by a socket of its own.
            back.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            back.setsockopt(socket.SOL_IP, _IP_TRANSPARENT, 1)
            back.bind(asked)
            for one in (back, ahead):
                one.setblocking(False)
            if destination == asked:
                ahead.connect(destination)
            else:  # only loopback reaches it, and is answered
                ahead.bind((MACHINE, 0))
        except BaseException:
            back.close()
            ahead.close()
            raise
        unconnected = None if destination == asked else destination
        return Flow(ahead, lambda data: back.sendto(data, sender), back, destination=unconnected)

    def close(self) -> None:
        """End all flows; rules and routes go with the namespace."""
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        self._flows.close()
