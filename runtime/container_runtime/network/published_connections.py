"""A published TCP port: each connection is carried to the container."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from container_runtime.network.relay import reset

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.network.backbone import Backbone
    from container_runtime.network.relay import Relay

_CONNECT_TIMEOUT = 30.0  # seconds
_LAST_WORDS = 1.0  # seconds after a container's end, in which its kernel has said so to whoever was connected
_OPEN_THERE = (1, 2, 4, 5)  # linux/tcp_states.h: TCP_ESTABLISHED, TCP_SYN_SENT, TCP_FIN_WAIT1, TCP_FIN_WAIT2


class ConnectionPort:
    """A listening socket of the machine, and what it leads to."""

    def __init__(
        self, listener: socket.socket, backbone: Backbone, relay: Relay, destination: Callable[[], tuple[str, int]]
    ) -> None:
        """Own ``listener``, which is bound, and serve it; ``destination`` is asked for each connection."""
        self._listener, self._backbone, self._relay, self._destination = listener, backbone, relay, destination
        self._carried: dict[asyncio.Task[None] | None, tuple[socket.socket, socket.socket]] = {}
        relay.listen(listener, self._carry)

    async def _carry(self, connection: socket.socket) -> None:
        host, number = self._destination()
        if not host:
            reset(connection)
            connection.close()
            return
        inner = self._backbone.make_socket(socket.SOCK_STREAM)
        task = asyncio.current_task()
        self._carried[task] = (connection, inner)
        try:
            await self._relay.connect_and_carry(connection, inner, (host, number), _CONNECT_TIMEOUT)
        finally:
            del self._carried[task]

    def close(self) -> None:
        """Accept no more. Connections that the container has ended are carried to their end, others are cut then."""
        self._relay.unlisten(self._listener)
        if self._carried:
            asyncio.get_running_loop().call_later(_LAST_WORDS, self._cut)

    def _cut(self) -> None:
        """What nobody will end any more: the container had not accepted it, or has left the network."""
        for task, (connection, inner) in [*self._carried.items()]:
            state = inner.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            if state in _OPEN_THERE and task is not None:
                reset(connection)
                task.cancel()
