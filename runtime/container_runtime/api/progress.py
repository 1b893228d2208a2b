"""What work in threads reports to a client while it goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from container_runtime.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Progress:
    """Lines from threads: they wait where a client is slow to take them, and are refused where it has gone."""

    def __init__(self, room: int = 256) -> None:
        """``room``: lines that may wait."""
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(room)
        self._abandoned = False

    def report(self, line: dict[str, Any]) -> None:
        """One line, from a thread.

        Raises:
            Unavailable: nobody takes lines any more.
        """
        self._room.acquire()
        if self._abandoned:
            self._room.release()  # for the next one who waits
            raise Unavailable("the client that asked for this has gone")
        self._loop.call_soon_threadsafe(self._queue.put_nowait, line)

    def end(self, doing: asyncio.Future[Any]) -> None:
        """The work is done: no more lines."""
        if not doing.cancelled():
            doing.exception()  # looked at, whether or not somebody still wants it
        self._queue.put_nowait(None)

    async def lines(self) -> AsyncGenerator[dict[str, Any]]:
        """Until the end."""
        while (line := await self._queue.get()) is not None:
            self._room.release()
            yield line

    def abandon(self) -> None:
        """Nobody takes lines any more."""
        self._abandoned = True
        self._room.release()
