"""Standard streams of containers: pipes and terminals on the event loop, and Docker's framing.

What a container writes goes into its log file at once, whoever listens, so that a slow reader costs nothing; what an
exec writes goes only to who asked, so there the exec waits for a slow reader, as a pipe would make it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

STDIN, STDOUT, STDERR = 0, 1, 2
CHUNK = 65536
"""Bytes that are read at a time: the capacity of a pipe (pipe(7))."""

_HEADER = struct.Struct(">BxxxI")
HEADER_SIZE = _HEADER.size


def frame(stream: int, data: bytes) -> bytes:
    """One frame of Docker's multiplexed stream: stream, three zero bytes, length big-endian, data."""
    return _HEADER.pack(stream, len(data)) + data


class Sink(Protocol):
    """Where an exec's output goes."""

    def write(self, data: bytes) -> None:
        """Queue ``data``."""
        ...

    async def drain(self) -> None:
        """Return when the queue is short enough for more; ConnectionError when nobody reads any more."""
        ...


def pipe_for_reading() -> tuple[int, int]:
    """A pipe whose read end does not block: (read, write)."""
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(read, False)
    return read, write


def pipe_for_writing() -> tuple[int, int]:
    """A pipe whose write end does not block: (read, write)."""
    read, write = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(write, False)
    return read, write


def _read(descriptor: int) -> bytes | None:
    """What is there; b"" at the end, None when nothing is there yet."""
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return None
    except OSError:  # EIO: the last slave of a terminal was closed
        return b""


class OutputPipe:
    """Reads a descriptor as long as it lives and hands every chunk on; owns the descriptor."""

    __slots__ = ("_descriptor", "_loop", "_receive")

    def __init__(self, descriptor: int, receive: Callable[[bytes], None]) -> None:
        self._descriptor = descriptor
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        data = _read(self._descriptor)
        if data:
            self._receive(data)
        elif data is not None:
            self.close()

    def drain_and_close(self) -> None:
        """Take what is left after all writers have died, which is at most what a pipe holds."""
        while self._descriptor >= 0 and (data := _read(self._descriptor)):
            self._receive(data)
        self.close()

    def close(self) -> None:
        """Stop reading."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


class InputPipe:
    """Writes to a descriptor without blocking the loop; owns the descriptor. Several writers take turns."""

    __slots__ = ("_descriptor", "_loop", "_turn", "_waiting")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._waiting: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Return when all of ``data`` has been taken; BrokenPipeError when nobody will read it."""
        view = memoryview(data)
        async with self._turn:
            while view:
                taken = self._write(view)
                view = view[taken:]
                if not taken:
                    await self._writable()

    def _write(self, view: memoryview) -> int:
        if self._descriptor < 0:
            raise BrokenPipeError
        try:
            return os.write(self._descriptor, view)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.EIO:  # a terminal that no process has open any more
                raise BrokenPipeError from None
            raise

    async def _writable(self) -> None:
        self._waiting = self._loop.create_future()
        self._loop.add_writer(self._descriptor, self._wake)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if self._descriptor >= 0:
                self._loop.remove_writer(self._descriptor)

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def close(self) -> None:
        """End of the input."""
        if self._descriptor >= 0:
            if self._waiting is not None:
                self._loop.remove_writer(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            self._wake()


async def _readable(descriptor: int, ended: asyncio.Future[None]) -> None:
    """Return when there is something to read, or when ``ended`` is done."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, wake)
    ended.add_done_callback(wake)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
        ended.remove_done_callback(wake)


class Outlet:
    """Where output goes as long as somebody is there."""

    __slots__ = ("framed", "sink")

    def __init__(self, sink: Sink | None, *, framed: bool = False) -> None:
        self.sink = sink
        self.framed = framed

    async def put(self, stream: int, data: bytes) -> None:
        """Return when it has been taken, or when nobody is there any more."""
        if self.sink is None:
            return
        try:
            self.sink.write(frame(stream, data) if self.framed else data)
            await self.sink.drain()
        except ConnectionError:
            self.sink = None


async def pump(descriptor: int, stream: int, outlet: Outlet, ended: asyncio.Future[None]) -> None:
    """Copy an exec's output to ``outlet``; closes ``descriptor``.

    Returns at the end of the output, or when ``ended`` (the exit of the process) is done and what it had written is
    copied: a process that it left in the background does not keep the client waiting. A reader who went away is
    replaced by nobody, the exec goes on.
    """
    try:
        while True:
            data = _read(descriptor)
            if data == b"" or (data is None and ended.done()):
                return
            if data is None:
                await _readable(descriptor, ended)
            else:
                await outlet.put(stream, data)
    finally:
        os.close(descriptor)
