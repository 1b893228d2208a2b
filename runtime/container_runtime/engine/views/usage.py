"""What lies on disk: the writable layers of containers, and ``GET /system/df``. File trees are read in threads."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING, Any

from container_runtime.engine.storage.roots import layer
from container_runtime.engine.views import views

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.images.model import Image


def tree_size(directories: Iterable[Path | str]) -> int:
    """Bytes of all files below, each once however many names it has; what may not be read, or goes, counts nothing.

    Directories themselves count nothing, as in Docker (moby, daemon/internal/directory).
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    waiting = [str(directory) for directory in directories]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += _entry(entry, waiting, seen)
        except OSError:
            continue
    return total


def _entry(entry: os.DirEntry[str], waiting: list[str], seen: set[tuple[int, int]]) -> int:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return 0
    if stat.S_ISDIR(status.st_mode):
        waiting.append(entry.path)
        return 0
    if status.st_nlink > 1:
        key = (status.st_dev, status.st_ino)
        if key in seen:
            return 0
        seen.add(key)
    return status.st_size


def _writable(engine: Engine, container: Container) -> int:
    top = layer(engine, container)
    try:
        parts = [*(top / "parts").iterdir()]
    except OSError:
        parts = []
    size = tree_size(part / "upper" for part in (top, *parts))
    return max(0, size - container.image.size) if engine.run.strategy == "copies" else size


async def sizes(engine: Engine, container: Container) -> dict[str, int]:
    """``SizeRw``, what it wrote, and ``SizeRootFs``, that and its image, in bytes."""
    written = await asyncio.to_thread(_writable, engine, container)
    return {"SizeRw": written, "SizeRootFs": written + container.image.size}


async def row(engine: Engine, container: Container) -> dict[str, Any]:
    """Its row of the list with its sizes; as in Docker ``SizeRw`` is left out where it is 0."""
    found = await sizes(engine, container)
    return {**views.summary(container), **{key: value for key, value in found.items() if value}}


def by_image(engine: Engine, images: Iterable[Image]) -> dict[str, dict[str, int]]:
    """For each image the sizes of its layers by chain id; ``host`` has none."""
    return {image.id: engine.images.layer_sizes(image) for image in images}


def shared_sizes(layers: dict[str, dict[str, int]]) -> dict[str, int]:
    """For each image the bytes of those of its layers that another image has too."""
    users: dict[str, int] = {}
    for found in layers.values():
        for chain_id in found:
            users[chain_id] = users.get(chain_id, 0) + 1
    return {
        identity: sum(size for chain_id, size in found.items() if users[chain_id] > 1)
        for identity, found in layers.items()
    }


def total_size(layers: dict[str, dict[str, int]]) -> int:
    """The bytes of all layers, each once."""
    return sum({chain_id: size for found in layers.values() for chain_id, size in found.items()}.values())


async def images(engine: Engine) -> tuple[list[Image], dict[str, dict[str, int]]]:
    """All images, and their layers (``by_image``)."""
    found = await asyncio.to_thread(engine.images.list)
    return found, await asyncio.to_thread(by_image, engine, found)


def count_users(engine: Engine) -> dict[str, int]:
    """How many containers each image has."""
    counts: dict[str, int] = {}
    for container in engine.containers.values():
        counts[container.image.id] = counts.get(container.image.id, 0) + 1
    return counts
