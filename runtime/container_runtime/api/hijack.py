"""Connections that were taken out of HTTP: raw bytes both ways, as Docker's attach and exec have them."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"
_NAMED_SINCE = (1, 42)  # the API version that tells the two apart in Content-Type
_CHUNK = 64 << 10


def content_type(version: tuple[int, int], *, multiplexed: bool) -> str:
    """What a stream is called in this version of the API."""
    return MULTIPLEXED if multiplexed and version >= _NAMED_SINCE else RAW


def head(version: tuple[int, int], common: list[tuple[bytes, bytes]], *, upgrade: bool, multiplexed: bool) -> bytes:
    """The answer after which the connection is the client's; 101 only for who asked for it (moby, httputils)."""
    if upgrade:
        kind = content_type(version, multiplexed=multiplexed)
        lines = ["HTTP/1.1 101 UPGRADED", f"Content-Type: {kind}", "Connection: Upgrade", "Upgrade: tcp"]
    else:
        lines = ["HTTP/1.1 200 OK", f"Content-Type: {RAW}"]
    lines += [f"{name.decode()}: {value.decode()}" for name, value in common]
    return "\r\n".join([*lines, "", ""]).encode()


class Duplex(Protocol):
    """A client at the other end of a hijacked connection."""

    def write(self, data: bytes) -> None:
        """Queue output."""
        ...

    async def drain(self) -> None:
        """Return when the queue is short; ConnectionError where nobody is there."""
        ...

    def incoming(self) -> AsyncIterator[bytes]:
        """What the client sends, until it closes its side."""
        ...

    async def gone(self) -> None:
        """Return when the client has closed the whole connection."""
        ...


class RawConnection:
    """The bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes) -> None:
        """``early``: what came behind the request's head already."""
        self._reader = reader
        self._writer = writer
        self._early = early

    def write(self, data: bytes) -> None:
        """Queue output."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Return when the queue is short."""
        await self._writer.drain()

    async def incoming(self) -> AsyncIterator[bytes]:
        """What the client sends, until it closes its side."""
        if self._early:
            yield self._early
        while data := await self._reader.read(_CHUNK):
            yield data

    async def gone(self) -> None:
        """Return when the client has closed the whole connection.

        Half of it closed is the end of its input; the other half is seen by EPOLLHUP alone (poll(2)), which asyncio
        does not ask for.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with select.epoll() as poll:
            poll.register(self._writer.get_extra_info("socket").fileno(), 0)
            loop.add_reader(poll.fileno(), lambda: future.done() or future.set_result(None))
            try:
                await future
            finally:
                loop.remove_reader(poll.fileno())
