"""The outside: TCP connections of containers to addresses beyond the machine, made by the engine in their stead.

In the engine's namespace every such connection is redirected to one listener; the engine asks the kernel where it
was going (SO_ORIGINAL_DST), connects there from the machine's own namespace, and passes bytes both ways. So neither a
firewall rule nor a forwarding setting of the machine is touched, and a machine whose FORWARD policy is "drop" (as
Docker sets it) does not matter.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from container_runtime.kernel import namespaces, nftables
from container_runtime.network.relay import Relay, reset

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.network.backbone import Backbone

PORT = 1  # of the engine's own namespace, where nothing else listens
_SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
MACHINE = "127.128.0.1"
"""The machine as an ordinary user's containers reach it: whoever listens on all addresses answers at this one too, and
whoever listens on 127.0.0.1 does so to be reached from the machine alone."""
_CONNECT_TIMEOUT = 30.0  # seconds


def original_destination(connection: socket.socket) -> tuple[str, int]:
    """Where a redirected connection was going (struct sockaddr_in)."""
    data = connection.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
    port, address = struct.unpack_from("!2xH4s", data)
    return socket.inet_ntoa(address), port


class Egress:
    """The listener, and the connections that it carries."""

    def __init__(self, backbone: Backbone, allowed: Callable[[str, str], bool], *, machine_only: bool = False) -> None:
        """Make the redirection and listen; ``allowed`` is asked with the addresses of container and destination.

        ``machine_only``: what goes to an ordinary user's machine itself, while ``tap`` carries the rest.
        """
        self._allowed = allowed
        self._machine = backbone.machine_address
        if backbone.outer < 0:
            pool = backbone.pool
            namespaces.inside(
                backbone.namespace, lambda: nftables.redirect(pool.address(0), pool.prefix, "uplink", PORT)
            )
        elif machine_only:
            namespaces.inside(backbone.outer, lambda: nftables.redirect_to(self._machine, PORT))
        else:  # in the stand-in for the machine, whatever arrives: what is for the machine too
            namespaces.inside(backbone.outer, lambda: nftables.redirect_all(PORT))
        self._listener = backbone.listen("0.0.0.0", PORT, socket.SOCK_STREAM, outside=True)  # noqa: S104  our own
        self._relay = Relay()
        self._relay.listen(self._listener, self._carry)

    async def _carry(self, connection: socket.socket) -> None:
        try:
            destination = original_destination(connection)
            source = connection.getpeername()[0]
        except OSError:  # it has gone already
            connection.close()
            return
        if destination[0] == self._machine:
            destination = (MACHINE, destination[1])
        elif not self._allowed(source, destination[0]):
            reset(connection)
            connection.close()
            return
        outside = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        await self._relay.connect_and_carry(connection, outside, destination, _CONNECT_TIMEOUT)

    def close(self) -> None:
        """End all connections; the redirection goes with the namespace."""
        self._relay.unlisten(self._listener)
        self._relay.close()
