"""Execs: requests and answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from container_runtime.api.params import check_exec
from container_runtime.api.streams import MULTIPLEXED, RAW
from container_runtime.engine import execs as actions
from container_runtime.engine import streams
from container_runtime.errors import EngineError, StartError

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
    one = actions.find(request.engine, request.parameters["id"])
    rows, columns = request.number("h") or 0, request.number("w") or 0
    if one.terminal >= 0 and 0 < rows < 65536 and 0 < columns < 65536:
        streams.resize_terminal(one.terminal, rows, columns)
    await request.answer(200)


async def start(request: Request) -> None:
    """POST /exec/{id}/start: detached, or with the connection as its streams."""
    one = actions.find(request.engine, request.parameters["id"])
    body = await request.json()
    if body.get("Detach"):
        await actions.start(request.engine, one, None, None, asyncio.Event())
        await request.answer(200)
        return
    one.container.check("exec")
    raw = await request.hijack(RAW if one.body.get("Tty") else MULTIPLEXED)
    try:
        await actions.start(request.engine, one, raw, raw.incoming(), asyncio.Event())
    except StartError as error:
        # The connection is no longer HTTP: the reason goes where the output would have gone, as Docker does it.
        text = f"OCI runtime exec failed: exec failed: unable to start container process: {error}: unknown\r\n".encode()
        raw.write(text if one.body.get("Tty") else streams.frame(streams.STDERR, text))
        await raw.drain()
    except EngineError as error:
        raw.write(streams.frame(streams.STDERR, f"{error}\r\n".encode()))
        await raw.drain()
