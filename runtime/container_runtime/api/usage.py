"""GET /system/df, and the prune of the build cache, which is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from container_runtime.api import images as image_answers
from container_runtime.api import volumes
from container_runtime.engine.events import announce
from container_runtime.engine.views import usage
from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import Request
    from container_runtime.engine.core import Engine

_KINDS = ("container", "image", "volume", "build-cache")


async def system_df(request: Request) -> None:
    """What images, containers, volumes and the build cache take up; ``type``, several times, chooses some of them."""
    asked = request.values("type")
    for kind in asked:
        if kind not in _KINDS:
            raise InvalidParameter(f"unknown object type: {kind}")
    answer: dict[str, Any] = {}
    if not asked or "image" in asked:
        answer |= await _images(request.engine)
    if not asked or "container" in asked:
        youngest_first = sorted(request.engine.containers.values(), key=lambda one: one.created, reverse=True)
        answer["Containers"] = [await usage.row(request.engine, one) for one in youngest_first]
    if not asked or "volume" in asked:
        answer["Volumes"] = await volumes.usage(request.engine)
    if not asked or "build-cache" in asked:
        answer["BuildCache"] = []
    await request.answer(200, answer)


async def prune_builds(request: Request) -> None:
    """POST /build/prune, which ``docker system prune`` also asks for: nothing is built here, so nothing is cached."""
    announce.pruned(request.engine, "builder")
    await request.answer(200, {"CachesDeleted": None, "SpaceReclaimed": 0})


async def _images(engine: Engine) -> dict[str, Any]:
    found, layers = await usage.images(engine)
    shared, users = usage.shared_sizes(layers), usage.count_users(engine)
    rows = [
        {**image_answers.summary(image), "SharedSize": shared[image.id], "Containers": users.get(image.id, 0)}
        for image in found
    ]
    return {"LayersSize": usage.total_size(layers), "Images": rows}
