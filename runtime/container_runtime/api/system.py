"""The engine itself: ping, version, info, login, shutdown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from container_runtime.api.params import check
from container_runtime.api.server import API_VERSION, MIN_API_VERSION
from container_runtime.engine import keeping
from container_runtime.engine.views import information
from container_runtime.errors import InvalidParameter, NotFound

if TYPE_CHECKING:
    from container_runtime.api.server import Request

_PING_HEADERS = [
    (b"Builder-Version", b"1"),
    (b"Swarm", b"inactive"),
    (b"Cache-Control", b"no-cache, no-store, must-revalidate"),
    (b"Pragma", b"no-cache"),
]
_AUTH: dict[str, str] = dict.fromkeys(
    ("username", "password", "serveraddress", "identitytoken", "registrytoken"), "a string"
)


async def ping(request: Request) -> None:
    """GET and HEAD /_ping."""
    await request.answer_text("OK", _PING_HEADERS)


async def version(request: Request) -> None:
    """GET /version."""
    about = information.version(API_VERSION, MIN_API_VERSION)
    ours = {"Forwards": request.engine.networks.forwards is not None, "Snapshots": True}
    await request.answer(200, {**about, "X-Pytest-Containers": ours})


async def info(request: Request) -> None:
    """GET /info."""
    await request.answer(200, await asyncio.to_thread(information.info, request.engine))


async def auth(request: Request) -> None:
    """POST /auth: whether a registry takes the credentials."""
    from container_runtime.images import login

    body = check(await request.json(), _AUTH)
    server = body.get("serveraddress") or ""
    await asyncio.to_thread(login.check, server, body)
    await request.answer(200, {"Status": "Login Succeeded", "IdentityToken": ""})


async def unless_gone(request: Request, work: object) -> None:
    """Do what may take for ever, unless the client goes first."""
    doing = asyncio.ensure_future(work)  # type: ignore[arg-type]
    gone = asyncio.ensure_future(request.disconnected())
    try:
        await asyncio.wait([doing, gone], return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        for task in (doing, gone):
            task.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


async def no_such_object(request: Request) -> None:
    """One of a kind that this engine does not make yet: so there is none (``docker inspect`` asks for every kind)."""
    raise NotFound(f"No such object: {request.parameters['name']}")


async def shutdown(request: Request) -> None:
    """POST /x-pytest-containers/shutdown: end the engine with everything that it holds."""
    await request.answer(204)
    request.engine.end_requested.set()


async def keep(request: Request) -> None:
    """POST /x-pytest-containers/keep: stay when the run ends, until ``shutdown`` or ``idle`` seconds without a client.

    Raises:
        InvalidParameter: ``idle`` is no number above 0.
    """
    idle = request.number("idle")
    if idle is not None and idle <= 0:
        raise InvalidParameter(f"invalid value {idle} for idle: a number of seconds above 0 is expected")
    engine = request.engine
    (engine.run.path / "kept").touch()  # for ``pytest-containers clean``
    engine.lifelines.let_go(keeping.IDLE if idle is None else float(idle))
    await request.answer(204)
