"""Snapshots: frozen writable layers of containers, from which others start, in this run and in later ones.

Each is a directory under a name made of the client's key and of what lies below: the image, and for ``host``, which
has no digest, the state of the machine's package database. It holds the layers themselves, moved and not copied, and
``snapshot.json``. They lie on the filesystem of the writable layers, those of ``host`` on another one than the
machine's root, which overlayfs asks for (``host.place``). Engines hold what they use (``held.py``).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.errors import EngineError
from container_runtime.images.files import as_list, as_object, read_json, remove_tree, storage_errors, write_atomically
from container_runtime.images.held import Held, remove_unheld
from container_runtime.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "snapshots"
_RECORD = "snapshot.json"
_SAFE = "on-disk"  # made when the kernel has written everything out
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_KEPT_DAYS = 14
"""A snapshot that nobody used for so long goes when the next one is made."""
_MOST = 64
"""So many are kept at most, those used last."""
_PACKAGES = (
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/lib/apk/db/installed",
    "/usr/lib/apk/db/installed",
    "/var/lib/pacman/local",
)
"""What dpkg, rpm, apk and pacman change with every package."""


class Snapshot(NamedTuple):
    """A frozen container."""

    layers: Mapping[str, str]
    """Of each part of the root its layer: destination -> directory."""
    volumes: Sequence[str]
    """The destinations of volumes whose content is in the layers."""


def host_state(paths: Sequence[str] = _PACKAGES) -> str | None:
    """A name for what is installed on this machine; None where no package database is known."""
    found: list[tuple[str, int, int]] = []
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)  # noqa: PTH116
            found.append((path, status.st_mtime_ns, status.st_size))
    return hashlib.sha256(json.dumps(found).encode()).hexdigest() if found else None


class SnapshotStore:
    """The snapshots of a user, as one engine uses them; ``home`` is the directory in which they lie."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def find(self, home: Path, name: str) -> Snapshot | None:
        """The snapshot under this name, which stays until ``close``; None where there is none that can be trusted."""
        path = home / name
        held = self._held.get(name)
        if held is None:
            held = Held()
            if not held.hold(path):
                return None
            self._held[name] = held
            with suppress(OSError):
                os.utime(path)
        try:
            record = as_object(read_json(path / _RECORD))
        except EngineError:
            record = {}
        if not record or not (record.get("boot") == _boot() or (path / _SAFE).exists()):
            held.release()
            del self._held[name]
            remove_unheld(path)
            return None
        layers = {str(place): str(path / str(each)) for place, each in as_object(record.get("layers")).items()}
        return Snapshot(layers, [str(each) for each in as_list(record.get("volumes"))])

    def add(self, home: Path, name: str, made: Path, layers: Mapping[str, str], volumes: Sequence[str]) -> None:
        """Take the directory ``made``, whose ``layers`` are named below it; one that is there already is kept.

        Raises:
            EngineError: it could not be stored.
        """
        with storage_errors("a snapshot", home):
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            record = {"boot": _boot(), "layers": dict(layers), "volumes": list(volumes), "created": int(time.time())}
            write_atomically(made / _RECORD, json.dumps(record).encode(), durable=False)
            try:
                made.rename(home / name)
            except OSError:
                if not (home / name).is_dir():
                    raise
                remove_tree(made)
        self._expire(home, name)

    def settle(self, home: Path, name: str) -> None:
        """Have it written to the disk: from then on it is trusted after the machine was off, too. May take seconds."""
        path = home / name
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                syscalls.syncfs(descriptor)
            finally:
                os.close(descriptor)
            (path / _SAFE).touch()

    def close(self) -> None:
        """Hold nothing any more."""
        for held in self._held.values():
            held.release()
        self._held.clear()

    def _expire(self, home: Path, newest: str) -> None:
        used: list[tuple[float, Path]] = []
        for path in home.iterdir():
            with suppress(OSError):
                used.append((path.stat().st_mtime, path))
        used.sort(reverse=True)
        for place, (moment, path) in enumerate(used):
            if path.name != newest and (place >= _MOST or moment < time.time() - _KEPT_DAYS * 86400):
                remove_unheld(path)


def _boot() -> str:
    return _BOOT.read_text().strip()
