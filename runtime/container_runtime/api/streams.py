"""What containers have written, and the size of their terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.api.attach import UNREADABLE
from container_runtime.api.hijack import content_type
from container_runtime.api.params import parse_moment
from container_runtime.api.system import unless_gone
from container_runtime.engine.life import lifecycle
from container_runtime.engine.streams.logs import Selection, read_log
from container_runtime.errors import InvalidParameter, NotImplementedHere

if TYPE_CHECKING:
    from container_runtime.api.server import Request
    from container_runtime.engine.container import Container


def _of(request: Request) -> Container:
    return request.engine.find(request.parameters["id"])


async def resize(request: Request) -> None:
    """POST /containers/{id}/resize."""
    rows, columns = request.size()
    one = _of(request)
    one.check("resize")
    if one.terminal is not None:
        one.terminal.resize(rows, columns)
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
    chosen = _streams(request)
    if not one.log_config.readable:
        raise NotImplementedHere(UNREADABLE)
    selection = Selection(
        streams=chosen,
        since=parse_moment(request.query.get("since"), "since"),
        until=parse_moment(request.query.get("until"), "until"),
        tail=None if tail in {"all", ""} or tail.startswith("-") else int(tail),
        timestamps=request.flag("timestamps"),
        details=one.log_details if request.flag("details") else None,
        follow=request.flag("follow") and (one.active or one.state == lifecycle.STARTING),
        framed=not one.tty,
    )
    await request.begin_stream(content_type(request.api_version, multiplexed=not one.tty))

    async def send() -> None:
        async for block in read_log(one.log, selection):
            await request.send(block)

    if selection.follow:
        await unless_gone(request, send())
    else:
        await send()
    await request.end_stream()
