"""The outside: TCP connections of containers to addresses beyond the machine, made by the engine in their stead.

In the engine's namespace every such connection is redirected to one listener; the engine asks the kernel where it
was going (SO_ORIGINAL_DST), connects there from the machine's own namespace, and passes bytes both ways. So neither a
firewall rule nor a forwarding setting of the machine is touched, and a machine whose FORWARD policy is "drop" (as
Docker sets it) does not matter.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from container_runtime.kernel import namespaces, nftables

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.network.backbone import Backbone

PORT = 1  # of the engine's own namespace, where nothing else listens
_SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
_CONNECT_TIMEOUT = 30.0  # seconds
_CHUNK = 1 << 16
_PAUSE = 1.0  # seconds


def original_destination(connection: socket.socket) -> tuple[str, int]:
    """Where a redirected connection was going (struct sockaddr_in)."""
    data = connection.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16)
    port, address = struct.unpack_from("!2xH4s", data)
    return socket.inet_ntoa(address), port


class Egress:
    """The listener, and the connections that it carries."""

    def __init__(self, backbone: Backbone, allowed: Callable[[str, str], bool]) -> None:
        """Make the redirection and listen; ``allowed`` is asked with the addresses of container and destination."""
        self._allowed = allowed
        self._machine = backbone.machine_address
        if backbone.outer < 0:
            pool = backbone.pool
            namespaces.inside(
                backbone.namespace, lambda: nftables.redirect(pool.address(0), pool.prefix, "uplink", PORT)
            )
        else:  # in the stand-in for the machine, whatever arrives: what is for the machine too
            namespaces.inside(backbone.outer, lambda: nftables.redirect_all(PORT))
        self._listener = backbone.listen("0.0.0.0", PORT, socket.SOCK_STREAM, outside=True)  # noqa: S104  our own
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._listen()

    def _listen(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # No descriptor is free (accept(2)): the listener stays readable, so it is not looked at for a while.
            self._loop.remove_reader(self._listener.fileno())
            self._loop.call_later(_PAUSE, self._listen)
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._carry(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, connection: socket.socket) -> None:
        outside = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        outside.setblocking(False)
        try:
            destination = original_destination(connection)
            if destination[0] == self._machine:
                destination = ("127.0.0.1", destination[1])
            elif not self._allowed(connection.getpeername()[0], destination[0]):
                raise ConnectionRefusedError
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                await self._loop.sock_connect(outside, destination)
            await self._exchange(connection, outside)
        except (OSError, TimeoutError):
            # A reset instead of an orderly end: what the container would have got from a refusal.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        finally:
            connection.close()
            outside.close()

    async def _exchange(self, connection: socket.socket, outside: socket.socket) -> None:
        """Both ways until both have ended, or one has failed.

        The other way is then ended before its sockets are: what still waits on a closed descriptor stays registered
        with the loop, and whoever gets the number next, the engine's API included, cannot be waited for (ENOENT).
        """
        ways = [
            self._loop.create_task(self._copy(connection, outside)),
            self._loop.create_task(self._copy(outside, connection)),
        ]
        try:
            await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _copy(self, source: socket.socket, target: socket.socket) -> None:
        while data := await self._loop.sock_recv(source, _CHUNK):
            await self._loop.sock_sendall(target, data)
        target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End all connections; the redirection goes with the namespace."""
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        for task in self._tasks:
            task.cancel()
