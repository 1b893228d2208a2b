"""Removing all containers, networks or images that nothing uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.engine import pruning

if TYPE_CHECKING:
    from container_runtime.api.server import Request


async def containers(request: Request) -> None:
    """POST /containers/prune."""
    await request.answer(200, await pruning.prune_containers(request.engine, request.query.get("filters")))


async def networks(request: Request) -> None:
    """POST /networks/prune."""
    await request.answer(200, await pruning.prune_networks(request.engine, request.query.get("filters")))


async def images(request: Request) -> None:
    """POST /images/prune."""
    await request.answer(200, await pruning.prune_images(request.engine, request.query.get("filters")))
