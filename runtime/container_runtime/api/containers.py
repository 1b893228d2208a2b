"""Containers: made, listed, inspected, renamed, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.api.params import check_create
from container_runtime.engine import containers as actions
from container_runtime.engine import images, publishing, sandboxes
from container_runtime.engine.request.names import check_name
from container_runtime.engine.views import views
from container_runtime.errors import Conflict, InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import Request
    from container_runtime.engine.container import Container


def _of(request: Request) -> Container:
    return request.engine.find(request.parameters["id"])


async def list_all(request: Request) -> None:
    """GET /containers/json."""
    from container_runtime.engine.views import container_filter, usage

    found = container_filter.select(
        request.engine,
        request.query.get("filters"),
        everything=request.flag("all"),
        limit=request.number("limit") or 0,
    )
    names = images.Names(request.engine)
    if request.flag("size"):
        rows = [await usage.row(request.engine, one) for one in found]
    else:
        rows = [views.summary(one) for one in found]
    await request.answer(200, [{**row, "Image": names.of(one)} for row, one in zip(rows, found, strict=True)])


async def create(request: Request) -> None:
    """POST /containers/create; ``snapshot``: the key of one of ours to start from."""
    body = check_create(await request.json())
    name, snapshot = request.query.get("name") or None, request.query.get("snapshot") or None
    made = await actions.create(request.engine, body, name, snapshot)
    await request.answer(201, {"Id": made.id, "Warnings": publishing.warnings(made)})


async def inspect(request: Request) -> None:
    """GET /containers/{id}/json."""
    one = _of(request)
    sizes: dict[str, int] = {}
    if request.flag("size"):
        from container_runtime.engine.views import usage

        sizes = await usage.sizes(request.engine, one)
    await request.answer(200, {**views.details(one), **sizes})


async def forward(request: Request) -> None:
    """GET /x-pytest-containers/containers/{id}/ports/{port}: where the machine reaches it; ``probe``: is it open."""
    one, text = _of(request), request.parameters["port"]
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise InvalidParameter(f"invalid port {text!r}: a number from 0 to 65535 is expected")
    host, port = sandboxes.forward(request.engine, one, int(text))
    answer: dict[str, object] = {"Host": host, "Port": port, "Open": False}
    if request.flag("probe"):
        answer["Open"] = await sandboxes.is_open(request.engine, one, int(text))
    await request.answer(200, answer)


async def rename(request: Request) -> None:
    """POST /containers/{id}/rename."""
    one, engine = _of(request), request.engine
    one.check("rename")
    if not request.query.get("name"):
        raise InvalidParameter("Neither old nor new names may be empty")
    name = check_name(request.query["name"])
    if name == one.name:
        raise InvalidParameter("Renaming a container with the same name as its current name")
    if name in engine.names:
        raise Conflict(
            f'Conflict. The container name "/{name}" is already in use by container "{engine.names[name]}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )
    del engine.names[one.name]
    sandboxes.rename(one, name)
    before, one.name = one.name, name
    engine.names[name] = one.id
    one.publish(engine.events, "rename", oldName=f"/{before}")
    await request.answer(204)


async def remove(request: Request) -> None:
    """DELETE /containers/{id}."""
    await actions.remove(request.engine, _of(request), force=request.flag("force"), volumes=request.flag("v"))
    await request.answer(204)
