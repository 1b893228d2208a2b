"""What running containers use and do: stats, top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.api.system import unless_gone
from container_runtime.engine.views import stats as figures
from container_runtime.engine.views import top as processes
from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import Request


async def stats(request: Request) -> None:
    """GET /containers/{id}/stats."""
    engine, one = request.engine, request.engine.find(request.parameters["id"])
    stream, one_shot = request.flag("stream", default=True), request.flag("one-shot")
    if stream and one_shot:
        raise InvalidParameter("cannot have stream=true and one-shot=true")
    if one_shot:
        await request.answer(200, await figures.sample(engine, one))
        return
    if not stream:
        await request.answer(200, await figures.two(engine, one))
        return
    await request.begin_stream("application/json")

    async def send() -> None:
        async for sample in figures.samples(engine, one):
            await request.send_line(sample)

    await unless_gone(request, send())
    await request.end_stream()


async def top(request: Request) -> None:
    """GET /containers/{id}/top."""
    one = request.engine.find(request.parameters["id"])
    await request.answer(200, await processes.top(request.engine, one, request.query.get("ps_args", "")))
