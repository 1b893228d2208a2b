"""The volume that a test holds."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from pytest_containers.client.errors import NotFoundError
from pytest_containers.errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from contextlib import AbstractContextManager

    from pytest_containers.client import Client
    from pytest_containers.engine import Engine
    from pytest_containers.files import Content


class Volume:
    """A directory that containers share, and that outlives each of them."""

    def __init__(self, client: Client, name: str, files: Mapping[str, Content]) -> None:
        self._client = client
        self.name = name
        self.shared = False
        """Whether all workers of the run have the same one."""
        self.first: Callable[[], AbstractContextManager[bool]] | None = None
        """Tells whether nobody has filled it yet, where several processes may."""
        self._pending: Mapping[str, Content] = files

    def __repr__(self) -> str:
        return f"<Volume {self.name}>"

    @contextlib.contextmanager
    def filling(self) -> Generator[Mapping[str, Content]]:
        """What its first container puts into it: only a container reaches a volume's files on every engine."""
        pending, self._pending = self._pending, {}
        if not pending or self.first is None:
            yield pending
            return
        with self.first() as first:
            yield pending if first else {}

    def remove(self) -> None:
        """Remove it with what is in it; one that is gone is no error."""
        __tracebackhide__ = True
        with translated(f"cannot remove volume {self.name}"):
            try:
                self._client.volumes.remove(self.name, force=True)
            except NotFoundError:
                return


def create_volume(engine: Engine, name: str, files: Mapping[str, Content], labels: Mapping[str, str]) -> Volume:
    """A volume under a name of its own that begins with ``name``."""
    from pytest_containers.engine import RUN_LABEL

    __tracebackhide__ = True
    readable = re.sub(r"[^a-zA-Z0-9_.-]+", "-", name).strip("-.")[:40] or "volume"
    unique = f"{readable}-{os.urandom(4).hex()}"
    client = engine.client
    with translated(f"cannot create volume {name}"):
        client.volumes.create({"Name": unique, "Labels": {**labels, RUN_LABEL: engine.run}})
    return Volume(client, unique, files)
