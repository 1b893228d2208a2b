"""Attaching: with a hijacked connection, or with a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.api import websocket
from container_runtime.engine.streams import detach
from container_runtime.engine.streams.attaching import Attachment, Wish
from container_runtime.errors import NotImplementedHere

if TYPE_CHECKING:
    from container_runtime.api.server import Request
    from container_runtime.engine.container import Container

UNREADABLE = "configured logging driver does not support reading"


def _wish(request: Request) -> tuple[Container, Wish]:
    """Whom to attach to, and to what.

    Raises:
        EngineError: not there, not in this state, or not those keys.
    """
    keys = detach.parse(request.query.get("detachKeys", ""))
    one = request.engine.find(request.parameters["id"])
    one.check("attach")
    wish = Wish(
        stdin=request.flag("stdin"),
        streams=frozenset(number for number, name in ((1, "stdout"), (2, "stderr")) if request.flag(name)),
        logs=request.flag("logs"),
        stream=request.flag("stream"),
        keys=keys,
        framed=not one.tty,
    )
    if wish.logs and not one.log_config.readable:
        raise NotImplementedHere(UNREADABLE)
    return one, wish


async def attach(request: Request) -> None:
    """POST /containers/{id}/attach."""
    one, wish = _wish(request)
    with Attachment(request.engine, one, wish) as attachment:
        await attachment.serve(await request.hijack(multiplexed=wish.framed))


async def attach_websocket(request: Request) -> None:
    """GET /containers/{id}/attach/ws: messages of bytes, both streams in one (moby, wsContainersAttach)."""
    one, wish = _wish(request)
    answer = websocket.accept(request.headers)
    with Attachment(request.engine, one, wish._replace(framed=False)) as attachment:
        socket = websocket.WebSocket(await request.hijack_with(answer))
        await attachment.serve(socket)
        socket.close()
