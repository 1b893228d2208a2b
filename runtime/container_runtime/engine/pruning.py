"""Removing what is not used: containers that have ended, networks without containers, images without either."""

from __future__ import annotations

import asyncio
import calendar
import time
from typing import TYPE_CHECKING, Any

from container_runtime.engine import containers, filters
from container_runtime.engine.events import announce, moments
from container_runtime.engine.life import lifecycle
from container_runtime.engine.views import usage
from container_runtime.errors import Conflict, EngineError, InvalidParameter, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from container_runtime.engine.core import Engine
    from container_runtime.images.model import Image

_FILTERS = ("label", "label!", "until")
_PREDEFINED = frozenset(("bridge", "host", "none"))


class Chosen:
    """Docker's filters of a prune: all of ``label``, not all of ``label!``, made before ``until``."""

    def __init__(self, text: str | None, *more: str) -> None:
        """``more``: names of filters that this kind has beside these.

        Raises:
            InvalidParameter: a filter or a value that Docker does not take.
        """
        self.filters = filters.parse(text, (*_FILTERS, *more))
        until = self.filters.get("until") or []
        if len(until) > 1:
            raise InvalidParameter("more than one until filter specified")
        self._until = moments.parse(until[0], "until", time.time_ns()) if until else None

    def includes(self, created: int, labels: Mapping[str, str]) -> bool:
        """Whether what was made at ``created`` (nanoseconds since 1970) and has these labels is meant."""
        unwanted = self.filters.get("label!")
        return (
            (self._until is None or created < self._until)
            and filters.labels_match(self.filters.get("label", ()), labels)
            and not (unwanted and filters.labels_match(unwanted, labels))
        )


def _nanoseconds(created: str) -> int:
    """A time as objects have it (RFC 3339, UTC), to the second; 0 where it is none."""
    try:
        return calendar.timegm(time.strptime(created[:19], "%Y-%m-%dT%H:%M:%S")) * 10**9
    except ValueError:
        return 0


async def prune_containers(engine: Engine, text: str | None) -> dict[str, Any]:
    """``POST /containers/prune``; raises as ``Chosen``."""
    chosen = Chosen(text)
    removed: list[str] = []
    reclaimed = 0
    for one in [*engine.containers.values()]:
        if one.state not in lifecycle.ENDED or not chosen.includes(_nanoseconds(one.created), one.labels):
            continue
        size = (await usage.sizes(engine, one))["SizeRw"]
        try:
            await containers.remove(engine, one, force=False)
        except (Conflict, NotFound):  # started, or removed by another client meanwhile
            continue
        removed.append(one.id)
        reclaimed += size
    announce.pruned(engine, "container", reclaimed)
    return {"ContainersDeleted": removed or None, "SpaceReclaimed": reclaimed}


async def prune_networks(engine: Engine, text: str | None) -> dict[str, Any]:
    """``POST /networks/prune``; raises as ``Chosen``."""
    chosen = Chosen(text)
    used = {one.network_mode for one in engine.containers.values()}
    removed: list[str] = []
    for network in engine.networks.list():
        free = network.name not in _PREDEFINED and not network.endpoints
        if not free or used & {network.name, network.id}:
            continue
        if chosen.includes(_nanoseconds(network.created), network.labels):
            engine.networks.remove(network.id)
            announce.network(engine, "destroy", network)
            removed.append(network.name)
    announce.pruned(engine, "network")
    return {"NetworksDeleted": removed or None}


async def prune_images(engine: Engine, text: str | None) -> dict[str, Any]:
    """``POST /images/prune``: those without a name, or with ``dangling=false`` all that no container uses."""
    chosen = Chosen(text, "dangling")
    only_dangling = filters.boolean(chosen.filters.get("dangling"), "dangling") is not False
    found, layers = await usage.images(engine)
    known = {chain_id: size for sizes in layers.values() for chain_id, size in sizes.items()}
    used = usage.count_users(engine)
    answers: list[dict[str, str]] = []
    for image in found:
        spared = engine.images.is_host(image) or image.id in used or (only_dangling and image.repo_tags)
        if not spared and chosen.includes(_nanoseconds(image.created), announce.labels_of(image)):
            answers += await _remove_image(engine, image)
    reclaimed = sum(known.get(answer.get("Deleted", ""), 0) for answer in answers)
    announce.pruned(engine, "image", reclaimed)
    return {"ImagesDeleted": answers or None, "SpaceReclaimed": reclaimed}


async def _remove_image(engine: Engine, image: Image) -> list[dict[str, str]]:
    try:
        answers = await asyncio.to_thread(engine.images.remove, image.id, force=True)
    except EngineError:  # another engine of this user has a container of it, or removed it meanwhile
        return []
    announce.removed(engine, image, answers)
    return answers
