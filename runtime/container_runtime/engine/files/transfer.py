"""Work on a container's files in a thread of its own, its bytes passed through a pipe: bounded, and ended from outside.

A pipe holds little, so neither side runs ahead of the other; when the client goes, the pipe is closed and the thread
ends with its next read or write. The shared threads of the event loop are not used: a few slow clients would take all.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, TypeVar

from container_runtime.engine.streams.streams import InputPipe, pipe_for_reading, pipe_for_writing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

T = TypeVar("T")
CHUNK = 1 << 18
"""Bytes that are read at a time, and that the pipe holds (less where the user has many pipes, pipe(7))."""


def in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Run ``work`` in a new thread; cancelling the future does not end it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # pyright: ignore[reportArgumentType]  # None only where T is

    def run() -> None:
        result: T | None = None
        failed: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  it is the caller's
            failed = error
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="files", daemon=True).start()
    return future


async def uncancelled(future: asyncio.Future[T]) -> None:
    """Return when it is done, however often the caller is cancelled; its outcome is for others to look at."""
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def completed(work: Callable[[], T]) -> T:
    """Run ``work`` in a new thread; it has ended when this returns or raises, if the caller was cancelled too."""
    doing = in_thread(work)
    try:
        await uncancelled(doing)
    finally:
        doing.exception()  # looked at, whoever wants it
    return doing.result()


def _widen(descriptor: int) -> None:
    with suppress(OSError):  # EPERM: the user's pipes hold much already
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, CHUNK)


class Download:
    """What a thread writes, read on the loop."""

    def __init__(self, work: Callable[[Callable[[bytes], None]], None]) -> None:
        """``work`` is called in a thread with a function that takes bytes, and that raises when nobody wants more."""
        self._read, write = pipe_for_reading()
        _widen(write)

        def run() -> None:
            with os.fdopen(write, "wb", buffering=CHUNK) as file:
                work(file.write)  # pyright: ignore[reportArgumentType]  # the count is not needed

        self._done = in_thread(run)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """All that is written; ends with the error of ``work`` where it raised one."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = os.read(self._read, CHUNK)
            except BlockingIOError:
                ready: asyncio.Future[None] = loop.create_future()
                loop.add_reader(self._read, _wake, ready)
                try:
                    await ready
                finally:
                    loop.remove_reader(self._read)
                continue
            if not data:
                break
            yield data
        await asyncio.shield(self._done)

    async def close(self) -> None:
        """End the thread; returns when it has ended."""
        os.close(self._read)
        await uncancelled(self._done)
        if not self._done.cancelled():
            self._done.exception()  # a broken pipe, or what ``chunks`` raised


class Upload:
    """What a thread reads, written on the loop."""

    def __init__(self, work: Callable[[IO[bytes]], None]) -> None:
        """``work`` is called in a thread with the stream."""
        read, write = pipe_for_writing()
        _widen(write)

        def run() -> None:
            with os.fdopen(read, "rb", buffering=CHUNK) as file:
                work(file)

        self._pipe = InputPipe(write)
        self._done = in_thread(run)

    async def feed(self, data: AsyncIterator[bytes]) -> None:
        """Pass on all of ``data``, or as much as the thread wants."""
        with suppress(BrokenPipeError):
            async for piece in data:
                await self._pipe.write(piece)

    async def finish(self) -> None:
        """The end of the data; returns when the thread has ended, with its error where it raised one."""
        self._pipe.close()
        await asyncio.shield(self._done)

    async def close(self) -> None:
        """End the thread; returns when it has ended."""
        self._pipe.close()
        await uncancelled(self._done)
        if not self._done.cancelled():
            self._done.exception()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
