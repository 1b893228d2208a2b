"""Snapshots and checkpoints, which Docker's API has not: below ``/x-pytest-containers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.engine.storage import freezing
from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import Request


async def make(request: Request) -> None:
    """POST /x-pytest-containers/snapshots/{key}: freeze the ``container``, which is removed.

    ``POST /containers/create?snapshot=key`` makes one that starts from it.
    """
    name = request.query.get("container") or ""
    if not name:
        raise InvalidParameter('invalid name or ID supplied: ""')
    await freezing.snapshot(request.engine, request.engine.find(name), request.parameters["key"])
    await request.answer(201, {"Key": request.parameters["key"]})


async def checkpoint(request: Request) -> None:
    """POST /x-pytest-containers/containers/{id}/checkpoints/{name}."""
    one = request.engine.find(request.parameters["id"])
    await freezing.checkpoint(request.engine, one, request.parameters["name"])
    await request.answer(201, {"Name": request.parameters["name"]})


async def restore(request: Request) -> None:
    """POST /x-pytest-containers/containers/{id}/checkpoints/{name}/restore."""
    one = request.engine.find(request.parameters["id"])
    await freezing.restore(request.engine, one, request.parameters["name"])
    await request.answer(204)
