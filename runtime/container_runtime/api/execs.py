"""Execs: requests and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.api.params import check_exec, check_exec_start
from container_runtime.engine.life import execs as actions
from container_runtime.engine.streams import streams
from container_runtime.errors import EngineError, NotFound

if TYPE_CHECKING:
    from container_runtime.api.server import Request


async def create(request: Request) -> None:
    """POST /containers/{id}/exec."""
    body = check_exec(await request.json())
    made = actions.create(request.engine, request.engine.find(request.parameters["id"]), body)
    await request.answer(201, {"Id": made.id})


async def inspect(request: Request) -> None:
    """GET /exec/{id}/json."""
    await request.answer(200, actions.find(request.engine, request.parameters["id"]).details())


async def resize(request: Request) -> None:
    """POST /exec/{id}/resize."""
    rows, columns = request.size()
    one = actions.find(request.engine, request.parameters["id"])
    one.container.check("exec")
    if one.started:
        await one.begun.wait()  # clients ask for it as soon as they have the connection
    if one.exit_code is not None:
        raise NotFound(f"process does not exist {one.id}: not found")
    if not one.pid:
        raise EngineError(f"exec command {one.id} has not been started")
    if one.terminal is not None:
        one.terminal.resize(rows, columns)
    await request.answer(200)


async def start(request: Request) -> None:
    """POST /exec/{id}/start: detached, or with the connection as its streams.

    Whether there is a terminal was said at its creation; whether the output is framed is said here.
    """
    one = actions.find(request.engine, request.parameters["id"])
    body = check_exec_start(await request.json())
    tty = bool(body.get("Tty"))
    size = body.get("ConsoleSize") if tty else None
    if body.get("Detach"):
        await actions.start(request.engine, one, size=size)
        await request.answer(200)
        return
    one.container.check("exec")
    raw = await request.hijack(multiplexed=not tty)
    client = actions.Client(raw, raw.incoming(), framed=not tty, gone=raw.gone)
    try:
        await actions.start(request.engine, one, client, size)
    except EngineError as error:
        # The connection is no longer HTTP: the reason goes where the output would have gone, as Docker does it.
        line = f"{error}\r\n".encode()
        raw.write(line if tty else streams.frame(streams.STDOUT, line))
        await raw.drain()
