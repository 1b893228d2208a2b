"""GET /events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from container_runtime.api.system import unless_gone
from container_runtime.engine import filters
from container_runtime.engine.events import event_filter, moments
from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import Request


async def events(request: Request) -> None:
    """Events as JSON lines, past ones first where ``since`` or ``until`` asks for them."""
    query, now = request.query, time.time_ns()
    since, until = moments.parse(query.get("since"), "since", now), moments.parse(query.get("until"), "until", now)
    if until is not None and until < (since or 0):
        raise InvalidParameter(
            f"`since` time ({query.get('since', '')}) cannot be after `until` time ({query['until']})"
        )
    wanted = filters.parse(query.get("filters"), None)
    listened = request.engine.events.listen(since, until)
    await request.begin_stream("application/json")

    async def send() -> None:
        async for event in listened:
            if event_filter.matches(event, wanted):
                await request.send_line(event.message())

    await unless_gone(request, send())
    await request.end_stream()
