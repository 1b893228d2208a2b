"""Snapshots as containers start from them; ``freezing`` makes them."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from container_runtime.errors import InvalidParameter, NotFound
from container_runtime.images import host
from container_runtime.images.snapshots import NAME, host_state

if TYPE_CHECKING:
    from pathlib import Path

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.images.model import Image
    from container_runtime.images.snapshots import Snapshot

_KEY = re.compile(r"[0-9a-f]{16,64}")


def name_of(engine: Engine, key: str, image: Image) -> str:
    """The name of a snapshot in the store, from a client's key and what is below.

    Raises:
        InvalidParameter: the key is none.
    """
    if _KEY.fullmatch(key) is None:
        raise InvalidParameter(f"invalid key of a snapshot {key!r}: 16 to 64 hexadecimal digits are expected")
    below = image.id
    if engine.images.is_host(image):
        below += host_state() or engine.run.path.name  # nobody can tell what changes: it is good for this run
    return hashlib.sha256(json.dumps([key, below, engine.run.strategy]).encode()).hexdigest()


def place(engine: Engine, image: Image) -> Path:
    """The run's own directory for layers that are laid above this image and below a writable one; to be made."""
    if not engine.images.is_host(image):
        return engine.run.layers
    return host.place() / "layers-of-runs" / engine.run.path.name


def home(engine: Engine, image: Image) -> Path:
    """Where snapshots above this image lie."""
    return place(engine, image).parents[1] / NAME


def find(engine: Engine, key: str, image: Image) -> Snapshot:
    """The snapshot with this key above this image.

    Raises:
        NotFound: there is none ("No such snapshot: x").
        InvalidParameter: the key is none.
    """
    found = engine.snapshots.find(home(engine, image), name_of(engine, key, image))
    if found is None:
        raise NotFound(f"No such snapshot: {key}")
    return found


def start_from(container: Container, snapshot: Snapshot) -> None:
    """Have a container that is being made begin with the files of a snapshot."""
    container.bases = {place: (layer,) for place, layer in snapshot.layers.items()}
    container.points = [point for point in container.points if point.destination not in snapshot.volumes]
