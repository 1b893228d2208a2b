"""Layers on disk: one directory for each chain id, complete or not there.

``layers/<chain id>/`` has ``fs`` (the tree) and ``layer.json``; it is made elsewhere and renamed. ``l/<few digits>`` is
a link to the tree: the options of a mount are one page (mount(2)), too small for sixty names of 64 digits.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from container_runtime.errors import EngineError
from container_runtime.images.files import read_json, sync_directory, write_atomically
from container_runtime.kernel.syscalls import syncfs

if TYPE_CHECKING:
    from pathlib import Path

_SHORT = 8  # digits of a short name; more where two layers share them


class LayerStore:
    """The ``layers`` and ``l`` directories of a store."""

    def __init__(self, home: Path) -> None:
        self._layers = home / "layers"
        self._short = home / "l"
        self._names: dict[str, str] = {}

    def path(self, chain_id: str) -> Path:
        """The tree of a layer, by its full name; it may not be there."""
        return self._directory(chain_id) / "fs"

    def has(self, chain_id: str) -> bool:
        """Whether the layer is there; then it is complete."""
        return self._directory(chain_id).is_dir()

    def size(self, chain_id: str) -> int:
        """Bytes of the layer's uncompressed archive; 0 where the layer is not there."""
        return int((read_json(self._directory(chain_id) / "layer.json") or {}).get("size", 0))

    def names(self) -> list[str]:
        """The chain ids of all layers."""
        with suppress(FileNotFoundError):
            return [f"sha256:{path.name}" for path in self._layers.iterdir()]
        return []

    def add(self, chain_id: str, made: Path, *, diff_id: str, size: int) -> None:
        """Move a finished layer in: ``made/fs`` is its tree. Nothing happens where the layer is there already.

        Raises:
            OSError: the filesystem refused.
        """
        for directory in (self._layers, self._short):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {"chain_id": chain_id, "diff_id": diff_id, "size": size}
        write_atomically(made / "layer.json", json.dumps(content).encode())
        self._sync(made)
        final = self._directory(chain_id)
        with suppress(FileExistsError):  # another process was faster
            try:
                made.rename(final)
            except OSError as error:
                if not final.is_dir():
                    raise
                raise FileExistsError from error
        sync_directory(self._layers)
        self._link(chain_id)

    def lower_directory(self, chain_id: str) -> str:
        """The layer's tree for ``lowerdir=`` of a mount, by its short name.

        Raises:
            EngineError: the layer is not there.
        """
        if not self.has(chain_id):
            raise EngineError(f"layer {chain_id} is missing in {self._layers}: remove the image and pull it again")
        if chain_id not in self._names:
            self._names[chain_id] = str(self._link(chain_id))
        return self._names[chain_id]

    def discard(self, chain_id: str, trash: Path) -> None:
        """Take a layer away, at once: it is moved into ``trash`` (same filesystem), where its files can be removed."""
        self._names.pop(chain_id, None)
        short = self._find(chain_id)
        if short is not None:
            short.unlink()
        with suppress(FileNotFoundError):
            self._directory(chain_id).rename(trash / chain_id.removeprefix("sha256:"))

    def _directory(self, chain_id: str) -> Path:
        return self._layers / chain_id.removeprefix("sha256:")

    def _target(self, chain_id: str) -> str:
        return f"../layers/{chain_id.removeprefix('sha256:')}/fs"

    def _find(self, chain_id: str) -> Path | None:
        digits, target = chain_id.removeprefix("sha256:"), self._target(chain_id)
        for length in range(_SHORT, len(digits) + 1):
            short = self._short / digits[:length]
            try:
                if short.readlink() == type(short)(target):
                    return short
            except FileNotFoundError:
                return None
        return None

    def _link(self, chain_id: str) -> Path:
        """The short name, made where it is not there."""
        digits, target = chain_id.removeprefix("sha256:"), self._target(chain_id)
        for length in range(_SHORT, len(digits) + 1):
            short = self._short / digits[:length]
            with suppress(FileExistsError):
                short.symlink_to(target)
            if short.readlink() == type(short)(target):
                return short
        raise EngineError(f"no short name is free for {chain_id} in {self._short}")

    @staticmethod
    def _sync(path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(descriptor)
        finally:
            os.close(descriptor)
