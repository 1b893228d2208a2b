"""Volumes: requests and answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from container_runtime.api.params import check
from container_runtime.engine import filters
from container_runtime.engine.storage import mounting
from container_runtime.errors import NotFound, Unavailable
from container_runtime.volumes.store import size

if TYPE_CHECKING:
    from container_runtime.api.server import Request
    from container_runtime.engine.core import Engine

_CREATE = {"Name": "a string", "Driver": "a string", "DriverOpts": "a map of strings", "Labels": "a map of strings",
           "ClusterVolumeSpec": "an object"}  # fmt: skip


async def list_all(request: Request) -> None:
    """GET /volumes."""
    wanted = filters.parse(request.query.get("filters"), ("name", "label", "driver", "dangling"))
    dangling = filters.boolean(wanted.get("dangling"), "dangling")
    found = [
        one.details()
        for one in request.engine.volumes.list()
        if filters.any_pattern(wanted.get("name"), (one.name,))
        and filters.labels_match(wanted.get("label", ()), one.labels or {})
        and filters.any_equal(wanted.get("driver"), one.driver)
        and (dangling is None or dangling is not bool(one.users))
    ]
    await request.answer(200, {"Volumes": found, "Warnings": None})


async def create(request: Request) -> None:
    """POST /volumes/create."""
    request.engine.admit()
    body = check(await request.json(), _CREATE)
    if "ClusterVolumeSpec" in body:
        raise Unavailable("This node is not a swarm manager, and cluster volumes are for those")
    volume = mounting.make(
        request.engine,
        body.get("Name") or "",
        driver=body.get("Driver") or "",
        options=body.get("DriverOpts"),
        labels=body.get("Labels"),
    )
    await request.answer(201, volume.details())


async def inspect(request: Request) -> None:
    """GET /volumes/{name}."""
    await request.answer(200, request.engine.volumes.get(request.parameters["name"]).details())


async def remove(request: Request) -> None:
    """DELETE /volumes/{name}; with ``force``, one that is not there is removed."""
    try:
        mounting.remove(request.engine, request.engine.volumes.get(request.parameters["name"]))
    except NotFound:
        if not request.flag("force"):
            raise
    await request.answer(204)


async def usage(engine: Engine) -> list[dict[str, Any]]:
    """The volumes of GET /system/df; those with options are left out, as in Docker: what is in them lies elsewhere."""
    return [
        {**one.details(), "UsageData": {"Size": await asyncio.to_thread(size, one.path), "RefCount": len(one.users)}}
        for one in engine.volumes.list()
        if not one.options
    ]


async def prune(request: Request) -> None:
    """POST /volumes/prune: those that no container has; named ones with the filter ``all`` only (API 1.42).

    Those with options are left, as in Docker: what is in them lies elsewhere.
    """
    wanted = filters.parse(request.query.get("filters"), ("label", "label!", "all"))
    everything = filters.boolean(wanted.get("all"), "all") or False
    engine = request.engine
    removed: list[str] = []
    reclaimed = 0
    for one in engine.volumes.list():
        labels = one.labels or {}
        if (
            one.options
            or not (everything or one.anonymous)
            or not filters.labels_match(wanted.get("label", ()), labels)
            or any(filters.labels_match((text,), labels) for text in wanted.get("label!", ()))
        ):
            continue
        count = 0 if one.users else await asyncio.to_thread(size, one.path)
        if not one.users and one in engine.volumes.list():  # while it was measured, it may have been taken or removed
            mounting.remove(engine, one)
            removed.append(one.name)
            reclaimed += count
    engine.events.publish("volume", "prune", "", {"reclaimed": str(reclaimed)})
    await request.answer(200, {"VolumesDeleted": removed, "SpaceReclaimed": reclaimed})
