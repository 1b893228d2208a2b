"""Where the test process of an ordinary user reaches containers: loopback addresses of the machine, one a container.

Nobody but root may route the machine's packets into a bridge. But all of 127.0.0.0/8 is the machine's, and a port
above ip_unprivileged_port_start is anybody's, so the engine listens there for each port that is asked for, and
connects to the container from the stand-in for the machine (``backbone``).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from container_runtime.errors import EngineError
from container_runtime.kernel import namespaces
from container_runtime.network.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.network.backbone import Backbone

_TIMEOUT = 30.0  # seconds that a connection to a container may take
_PROBE_TIMEOUT = 1.0
_TRIES = 16
_UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


class Forwards:
    """The listeners of one engine."""

    def __init__(self, backbone: Backbone, published: Callable[[int], bool]) -> None:
        """On the running loop; nothing listens yet. ``published``: whether the engine has a port at all addresses."""
        self._published = published
        self._backbone = backbone
        self._relay = Relay()
        self._hosts: dict[str, str] = {}
        self._ports: dict[str, dict[int, int]] = {}
        self._listeners: dict[tuple[str, int], socket.socket] = {}

    def host(self, container_id: str) -> str:
        """The container's address on the machine, its own for as long as it exists."""
        if container_id not in self._hosts:
            self._hosts[container_id] = _random_loopback()
        return self._hosts[container_id]

    def open(self, container_id: str, address: str, port: int) -> int:
        """Listen for a port of the container, which is at ``address`` in its network; returns the machine's port.

        It is the same number from ip_unprivileged_port_start (1024) on, where nobody else has it.

        Raises:
            EngineError: no port was free.
        """
        if (container_id, port) in self._listeners:
            return self._ports[container_id][port]
        known = self._ports.setdefault(container_id, {})
        listener = self._bind(container_id, known.get(port, port))
        listener.setblocking(False)
        self._listeners[container_id, port] = listener
        known[port] = listener.getsockname()[1]

        async def carry(connection: socket.socket) -> None:
            await self._relay.connect_and_carry(connection, self._outgoing(), (address, port), _TIMEOUT)

        self._relay.listen(listener, carry)
        return known[port]

    def _bind(self, container_id: str, wanted: int) -> socket.socket:
        if wanted < int(_UNPRIVILEGED.read_text()):
            wanted = 0
        for _ in range(_TRIES):
            host = self.host(container_id)
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if self._published(wanted):
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                listener.bind((host, wanted))
                listener.listen(512)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # so that it can be published later
            except OSError as error:
                listener.close()
                if error.errno != errno.EADDRINUSE:
                    raise EngineError(f"cannot listen on {host}:{wanted}: {error.strerror}") from None
                if self._ports[container_id]:
                    wanted = 0  # its address is known by now
                else:
                    self._hosts[container_id] = _random_loopback()
            else:
                return listener
        raise EngineError(f"cannot listen for port {wanted} of container {container_id[:12]}: it is in use everywhere")

    def _outgoing(self) -> socket.socket:
        return namespaces.inside(self._backbone.outer, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))

    async def is_open(self, address: str, port: int) -> bool:
        """Whether something in the container takes connections; the forward itself would take any."""
        probe = self._outgoing()
        probe.setblocking(False)
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(probe, (address, port))
        except (OSError, TimeoutError):
            return False
        finally:
            probe.close()
        return True

    def stop(self, container_id: str) -> None:
        """Listen no more: the container has ended. Address and ports stay its own."""
        for key in [key for key in self._listeners if key[0] == container_id]:
            self._relay.unlisten(self._listeners.pop(key))

    def ports(self, container_id: str) -> list[int]:
        """The container's ports that were asked for, in an earlier life too."""
        return [*self._ports.get(container_id, {})]

    def forget(self, container_id: str) -> None:
        """The container is removed."""
        self.stop(container_id)
        self._hosts.pop(container_id, None)
        self._ports.pop(container_id, None)

    def close(self) -> None:
        """End everything."""
        for container_id in [*self._hosts]:
            self.forget(container_id)
        self._relay.close()


def _random_loopback() -> str:
    """From 127.64.0.0/10: programs that listen on a loopback address by choice take low ones."""
    random = os.urandom(3)
    return f"127.{64 + random[0] % 64}.{random[1]}.{1 + random[2] % 254}"
