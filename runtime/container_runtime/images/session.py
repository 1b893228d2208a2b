"""One process's part in a store that many share: a place for half-made things, and what it has in use.

Everything of a session lies in one directory, whose lock the process holds as long as it lives. A directory whose lock
is free belongs to a process that is gone: its half-made layers are removed, and what it used is free again.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from container_runtime.images.files import as_list, as_object, read_json, remove_tree, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Session:
    """The session of this process; to be made, swept and asked under the store's lock."""

    def __init__(self, home: Path) -> None:
        """Make a directory below ``home`` and take its lock."""
        self.path = home / f"{os.getpid()}-{os.urandom(4).hex()}"
        self.temporary = self.path / "temporary"
        self._images: dict[str, set[str]] = {}  # image id -> owners
        self._layers: dict[str, int] = {}  # chain id -> pulls that count on it
        self.temporary.mkdir(mode=0o700, parents=True)
        # Close-on-exec, so that it is free when this process ends and not when its last child does.
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._write()

    def new_directory(self) -> Path:
        """An empty directory, removed with the session if it is still here then."""
        path = self.temporary / os.urandom(8).hex()
        path.mkdir(mode=0o700)
        return path

    def use_image(self, image_id: str, owner: str) -> None:
        """Write down that ``owner`` uses the image."""
        known = image_id in self._images
        self._images.setdefault(image_id, set()).add(owner)
        if not known:
            self._write()

    def release(self, owner: str) -> None:
        """``owner`` uses no image any more."""
        for image_id, owners in list(self._images.items()):
            owners.discard(owner)
            if not owners:
                del self._images[image_id]
                self._write()

    def use_layers(self, chain: tuple[str, ...]) -> None:
        """Write down that a pull counts on these layers, whether they are there yet or not."""
        for each in chain:
            self._layers[each] = self._layers.get(each, 0) + 1
        self._write()

    def release_layers(self, chain: tuple[str, ...]) -> None:
        """The pull is over."""
        for each in chain:
            self._layers[each] -= 1
            if not self._layers[each]:
                del self._layers[each]
        self._write()

    def close(self) -> None:
        """Remove the session's directory and give up its lock."""
        remove_tree(self.path)
        os.close(self._lock)

    def _write(self) -> None:
        # Not durable: after a power cut no process of before is alive.
        content = {"images": sorted(self._images), "layers": sorted(self._layers)}
        write_atomically(self.path / "uses.json", json.dumps(content).encode(), durable=False)


def living(home: Path, but: Path | None = None) -> Iterator[dict[str, list[str]]]:
    """What each living session uses: ``images`` (ids) and ``layers`` (chain ids). Dead sessions are removed.

    ``but``: a session that is not asked.
    """
    if not home.is_dir():
        return
    for path in home.iterdir():
        if path == but:
            continue
        if not _is_alive(path):
            remove_tree(path)
            continue
        uses = as_object(read_json(path / "uses.json"))
        yield {kind: [str(each) for each in as_list(uses.get(kind))] for kind in ("images", "layers")}


def _is_alive(path: Path) -> bool:
    with suppress(FileNotFoundError):
        # A descriptor of our own: flock(2) knows descriptors, so that our own session counts as alive too.
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False
