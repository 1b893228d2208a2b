"""Requests that change what a container does, and those that wait for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from container_runtime.api.params import check_update
from container_runtime.api.system import unless_gone
from container_runtime.engine.life import pausing, running, stopping, updating
from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import Request
    from container_runtime.engine.container import Container


def _of(request: Request) -> Container:
    return request.engine.find(request.parameters["id"])


async def start(request: Request) -> None:
    """POST /containers/{id}/start."""
    one = _of(request)
    async with one.lock:
        await running.start(request.engine, one)
    await request.answer(204)


async def stop(request: Request) -> None:
    """POST /containers/{id}/stop."""
    await stopping.stop(request.engine, _of(request), request.number("t"), request.query.get("signal"))
    await request.answer(204)


async def restart(request: Request) -> None:
    """POST /containers/{id}/restart."""
    await stopping.restart(request.engine, _of(request), request.number("t"), request.query.get("signal"))
    await request.answer(204)


async def pause(request: Request) -> None:
    """POST /containers/{id}/pause."""
    one = _of(request)
    async with one.lock:
        await pausing.pause(request.engine, one)
    await request.answer(204)


async def unpause(request: Request) -> None:
    """POST /containers/{id}/unpause."""
    one = _of(request)
    async with one.lock:
        await pausing.unpause(request.engine, one)
    await request.answer(204)


async def update(request: Request) -> None:
    """POST /containers/{id}/update."""
    one = _of(request)
    changes = check_update(await request.json())
    async with one.lock:
        await updating.update(request.engine, one, changes)
    await request.answer(200, {"Warnings": None})


async def kill(request: Request) -> None:
    """POST /containers/{id}/kill."""
    await stopping.kill(request.engine, _of(request), request.query.get("signal") or "SIGKILL")
    await request.answer(204)


async def wait(request: Request) -> None:
    """POST /containers/{id}/wait: the headers come at once, the exit code when the condition holds."""
    condition = request.query.get("condition", "")
    if condition not in {"", "not-running", "next-exit", "removed"}:
        raise InvalidParameter(f'invalid condition: "{condition}"')
    waiting = asyncio.ensure_future(stopping.wait(_of(request), condition))
    await asyncio.sleep(0)  # from here on it waits: a start that follows cannot be missed
    await request.begin_stream("application/json")
    await unless_gone(request, waiting)
    if not waiting.cancelled():
        await request.send_line({"StatusCode": waiting.result()})
        await request.end_stream()
