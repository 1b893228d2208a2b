"""Clients at a container's streams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from container_runtime.engine.streams import detach
from container_runtime.engine.streams.logfile import Cursor
from container_runtime.engine.streams.logs import read_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.engine.streams.streams import Sink

    class Client(Sink, Protocol):
        """Who is attached."""

        def incoming(self) -> AsyncIterator[bytes]:
            """What it sends, until it closes its side."""
            ...

        async def gone(self) -> None:
            """Return when it is not there any more."""
            ...


class Wish(NamedTuple):
    """What an attach asks for."""

    stdin: bool
    streams: frozenset[int]
    logs: bool
    """What was written before, first."""
    stream: bool
    """What comes; without it, there is nothing to wait for."""
    keys: bytes
    framed: bool


class Attachment:
    """One client's place in a container's output, taken before the client is told that it is attached.

    ``with`` it; nothing that is written from then on is missed.
    """

    def __init__(self, engine: Engine, container: Container, wish: Wish) -> None:
        self._engine = engine
        self._container = container
        self._wish = wish
        log = container.log
        run = log.upcoming() if wish.stream else None
        self._cursor = Cursor(log, log.start if wish.logs else log.end, run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()

    async def serve(self, client: Client) -> None:
        """Until the container ends, or the client detaches or goes.

        As with Docker, the end of a client's input is the end of its attachment, unless it is that of the container
        (moby, container/stream/attach.go).
        """
        container, wish = self._container, self._wish
        container.publish(self._engine.events, "attach")
        sending = asyncio.create_task(self._send(client))
        if not wish.stream:
            await sending
            return
        watcher = detach.Watcher(wish.keys)
        tasks: list[asyncio.Task[Any]] = [sending, asyncio.create_task(client.gone())]
        feeding = None
        if wish.stdin and container.body.get("OpenStdin"):
            feeding = asyncio.create_task(_feed(container, client, watcher))
            if container.tty or not container.body.get("StdinOnce"):
                tasks.append(feeding)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if watcher.detached:
                container.publish(self._engine.events, "detach")
        finally:
            every = tasks if feeding is None else [*tasks, feeding]
            for task in every:
                task.cancel()
            await asyncio.gather(*every, return_exceptions=True)

    async def _send(self, client: Client) -> None:
        wish = self._wish
        try:
            async for block in read_stream(self._cursor, wish.streams, framed=wish.framed):
                client.write(block)
                await client.drain()
        except ConnectionError:
            return


async def _feed(container: Container, client: Client, watcher: detach.Watcher) -> None:
    """What the client types; its end of file is the container's, where it was asked for once."""
    once = container.body.get("StdinOnce") and not container.tty
    incoming = client.incoming()
    async for data in detach.until_detached(incoming, watcher) if container.tty else incoming:
        await container.begun.wait()
        if container.stdin is not None:
            try:
                await container.stdin.write(data)
            except BrokenPipeError:
                continue  # nobody reads it, as with a shell whose reader has gone
    if once:
        await container.begun.wait()
        if container.stdin is not None:
            container.stdin.close()
