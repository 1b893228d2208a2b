"""Bytes between two connections, both ways."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_CHUNK = 1 << 16
_MUCH = 1 << 18  # bytes that a way has carried, after which a pipe is worth its descriptors
_PIPE = 1 << 18
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
        """One way, until its end has been passed on; others have their turn after each piece, however fast it goes."""
        carried = 0
        while data := await self._loop.sock_recv(source, _CHUNK):
            await self._loop.sock_sendall(target, data)
            carried += len(data)
            if carried > _MUCH and (pipe := _open_pipe()):
                await self._splice(source, target, *pipe)
                break
            await asyncio.sleep(0)
        target.shutdown(socket.SHUT_WR)

    async def _splice(self, source: socket.socket, target: socket.socket, reading: int, writing: int) -> None:
        """The same through a pipe, which is closed then: the bytes stay in the kernel (splice(2)), at half the cost."""
        flags = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
        try:
            while True:
                try:
                    inside = os.splice(source.fileno(), writing, _PIPE, flags=flags)
                except BlockingIOError:
                    await self._ready(source, self._loop.add_reader, self._loop.remove_reader)
                    continue
                if not inside:
                    return
                while inside:
                    try:
                        inside -= os.splice(reading, target.fileno(), inside, flags=flags)
                    except BlockingIOError:
                        await self._ready(target, self._loop.add_writer, self._loop.remove_writer)
                await asyncio.sleep(0)
        finally:
            os.close(reading)
            os.close(writing)

    async def _ready(self, one: socket.socket, add: Callable[..., None], remove: Callable[[int], object]) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        add(one.fileno(), _finish, ready)
        try:
            await ready
        finally:
            remove(one.fileno())

    def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()


def _finish(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _open_pipe() -> tuple[int, int] | None:
    """Both ends of a pipe for ``_splice``; None where no descriptor is free."""
    try:
        pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with suppress(OSError):  # a user's share of pipe buffers (pipe(7)) is used up: it stays as small as it is
        fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, _PIPE)
    return pipe


def reset(connection: socket.socket) -> None:
    """A reset instead of an orderly end, when it is closed: what the asker would have got from a refusal."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
