"""Bytes between two connections, both ways."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_CHUNK = 1 << 16
_PAUSE = 1.0  # seconds


class Relay:
    """Accepts at listeners, and carries each connection by a task until ``close``."""

    def __init__(self) -> None:
        """On the running loop."""
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, listener: socket.socket, carry: Callable[[socket.socket], Coroutine[None, None, None]]) -> None:
        """Accept from now on, until the listener is given to ``unlisten``."""
        if listener.fileno() >= 0:
            self._loop.add_reader(listener.fileno(), self._accept, listener, carry)

    def unlisten(self, listener: socket.socket) -> None:
        """Accept no more, and close the listener."""
        self._loop.remove_reader(listener.fileno())
        listener.close()

    def _accept(self, listener: socket.socket, carry: Callable[[socket.socket], Coroutine[None, None, None]]) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # No descriptor is free (accept(2)): the listener stays readable, so it is not looked at for a while.
            self._loop.remove_reader(listener.fileno())
            self._loop.call_later(_PAUSE, self.listen, listener, carry)
            return
        connection.setblocking(False)
        task = self._loop.create_task(carry(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def connect_and_carry(
        self, connection: socket.socket, other: socket.socket, destination: tuple[str, int], limit: float
    ) -> None:
        """Connect ``other`` within ``limit`` seconds, carry both ways until both have ended, and close both."""
        other.setblocking(False)
        try:
            async with asyncio.timeout(limit):
                await self._loop.sock_connect(other, destination)
            await self._exchange(connection, other)
        except (OSError, TimeoutError):
            reset(connection)
        finally:
            connection.close()
            other.close()

    async def _exchange(self, connection: socket.socket, other: socket.socket) -> None:
        """Both ways until both have ended, or one has failed.

        The other way is then ended before its sockets are: what still waits on a closed descriptor stays registered
        with the loop, and whoever gets the number next, the engine's API included, cannot be waited for (ENOENT).
        """
        ways = [self._loop.create_task(self._copy(*pair)) for pair in ((connection, other), (other, connection))]
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
        """End all connections."""
        for task in self._tasks:
            task.cancel()


def reset(connection: socket.socket) -> None:
    """A reset instead of an orderly end, when it is closed: what the asker would have got from a refusal."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
