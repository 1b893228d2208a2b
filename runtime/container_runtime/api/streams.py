"""What containers write and read: logs, attach, the size of the terminal."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from container_runtime.api.params import parse_moment
from container_runtime.api.system import unless_gone
from container_runtime.engine import lifecycle, streams
from container_runtime.engine.logs import Selection, read_log
from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import RawConnection, Request
    from container_runtime.engine.container import Container

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"


def _of(request: Request) -> Container:
    return request.engine.find(request.parameters["id"])


async def resize(request: Request) -> None:
    """POST /containers/{id}/resize."""
    one = _of(request)
    one.check("resize")
    rows, columns = request.number("h") or 0, request.number("w") or 0
    if one.terminal >= 0 and 0 < rows < 65536 and 0 < columns < 65536:
        streams.resize_terminal(one.terminal, rows, columns)
        one.publish(request.engine.events, "resize", height=str(rows), width=str(columns))
    await request.answer(200)


def _streams(request: Request) -> frozenset[int]:
    chosen = {1 for _ in "x" if request.flag("stdout")} | {2 for _ in "x" if request.flag("stderr")}
    if not chosen:
        raise InvalidParameter("Bad parameters: you must choose at least one stream")
    return frozenset(chosen)


async def logs(request: Request) -> None:
    """GET /containers/{id}/logs."""
    one = _of(request)
    tail = request.query.get("tail", "all")
    if tail not in {"all", ""} and not tail.removeprefix("-").isdigit():
        raise InvalidParameter(f"invalid value {tail!r} for tail: a number of lines or 'all' is expected")
    selection = Selection(
        streams=_streams(request),
        since=parse_moment(request.query.get("since"), "since"),
        until=parse_moment(request.query.get("until"), "until"),
        tail=None if tail in {"all", ""} or tail.startswith("-") else int(tail),
        timestamps=request.flag("timestamps"),
        follow=request.flag("follow") and (one.active or one.state == lifecycle.STARTING),
        framed=not one.tty,
    )
    await request.begin_stream(RAW if one.tty else MULTIPLEXED)

    async def send() -> None:
        async for block in read_log(one.log, selection):
            await request.send(block)

    if selection.follow:
        await unless_gone(request, send())
    else:
        await send()
    await request.end_stream()


async def attach(request: Request) -> None:
    """POST /containers/{id}/attach."""
    one = _of(request)
    one.check("attach")
    chosen = {1 for _ in "x" if request.flag("stdout")} | {2 for _ in "x" if request.flag("stderr")}
    offset = 0 if request.flag("logs") else one.log.size
    raw = await request.hijack(RAW if one.tty else MULTIPLEXED)
    one.publish(request.engine.events, "attach")
    work: list[asyncio.Future[Any]] = []
    if request.flag("stdin"):
        work.append(asyncio.ensure_future(_feed(one, raw)))
    if not request.flag("stream"):
        return
    selection = Selection(streams=frozenset(chosen), follow=True, framed=not one.tty)
    try:
        async for block in read_log(one.log, selection, offset):
            raw.write(block)
            await raw.drain()
    finally:
        for task in work:
            task.cancel()


async def _feed(one: Container, raw: RawConnection) -> None:
    """What the client types; its end of file is the container's, where it was asked for once."""
    async for data in raw.incoming():
        await _given(one)
        if one.terminal >= 0:
            await _type(one.terminal, data)
        elif one.stdin is not None:
            try:
                await one.stdin.write(data)
            except BrokenPipeError:
                return
    await _given(one)
    if one.stdin is not None and one.body.get("StdinOnce"):
        one.stdin.close()


async def _given(one: Container) -> None:
    """Attached before the start: nothing is read by anybody yet."""
    if one.stdin is None and one.terminal < 0 and one.state in {lifecycle.CREATED, lifecycle.STARTING}:
        await one.begun.wait()


async def _type(terminal: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(terminal, view) :]
        except BlockingIOError:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().add_writer(terminal, lambda: future.done() or future.set_result(None))  # noqa: B023
            try:
                await future
            finally:
                asyncio.get_running_loop().remove_writer(terminal)
