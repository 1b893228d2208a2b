"""Containers: made, listed, inspected, renamed, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.api.params import check_create
from container_runtime.engine import containers as actions
from container_runtime.engine import filters, lifecycle, sandboxes, views
from container_runtime.engine.names import check_name
from container_runtime.errors import Conflict, InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import Request
    from container_runtime.engine.container import Container

_FILTERS = ("id", "name", "label", "status", "ancestor", "network", "exited", "health", "volume", "before", "since")


def _of(request: Request) -> Container:
    return request.engine.find(request.parameters["id"])


async def list_all(request: Request) -> None:
    """GET /containers/json."""
    wanted = filters.parse(request.query.get("filters"), _FILTERS)
    limit = request.number("limit")
    everything = request.flag("all") or bool(wanted.get("status")) or limit is not None
    found = [one for one in request.engine.containers.values() if (everything or one.active) and _matches(one, wanted)]
    found.sort(key=lambda one: one.created, reverse=True)
    await request.answer(200, [views.summary(one) for one in (found if not limit else found[:limit])])


def _matches(one: Container, wanted: filters.Filters) -> bool:
    networks = {name for network, _ in one.endpoints.values() for name in (network.name, network.id)}
    return (
        filters.any_prefix(wanted.get("id"), one.id)
        and filters.any_pattern(wanted.get("name"), (one.name, f"/{one.name}"))
        and filters.labels_match(wanted.get("label", ()), one.labels)
        and filters.any_equal(wanted.get("status"), one.visible_state())
        and (not wanted.get("ancestor") or bool({one.body["Image"], one.image.id} & {*wanted["ancestor"]}))
        and (not wanted.get("network") or bool(networks & {*wanted["network"]}))
        and filters.any_equal(wanted.get("exited"), str(one.exit_code))
    )


async def create(request: Request) -> None:
    """POST /containers/create."""
    body = check_create(await request.json())
    made = actions.create(request.engine, body, request.query.get("name") or None)
    await request.answer(201, {"Id": made.id, "Warnings": []})


async def inspect(request: Request) -> None:
    """GET /containers/{id}/json."""
    await request.answer(200, views.details(_of(request)))


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
    name = check_name(request.query.get("name") or "")
    if engine.names.get(name, one.id) != one.id:
        raise Conflict(f'Conflict. The container name "/{name}" is already in use by container "{engine.names[name]}"')
    del engine.names[one.name]
    sandboxes.rename(one, name)
    before, one.name = one.name, name
    engine.names[name] = one.id
    one.publish(engine.events, "rename", oldName=f"/{before}")
    await request.answer(204)


async def remove(request: Request) -> None:
    """DELETE /containers/{id}."""
    await actions.remove(request.engine, _of(request), force=request.flag("force"))
    await request.answer(204)


async def prune(request: Request) -> None:
    """POST /containers/prune."""
    wanted = filters.parse(request.query.get("filters"), ("label", "until"))
    engine = request.engine
    removed: list[str] = []
    for one in [*engine.containers.values()]:
        stopped = one.state in lifecycle.ENDED
        if stopped and filters.labels_match(wanted.get("label", ()), one.labels):
            await actions.remove(engine, one, force=False)
            removed.append(one.id)
    await request.answer(200, {"ContainersDeleted": removed, "SpaceReclaimed": 0})
