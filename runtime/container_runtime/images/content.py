"""What the store consists of, for those that add to it: blobs, layers, the index, the lock, this process's session.

Below ``images/``: ``blobs/sha256`` (configurations and manifests), ``layers`` and ``l`` (``layers.py``), ``index.json``
(names and images), ``sessions`` (``session.py``), ``locks``. The lock is held for short changes of index and sessions;
a layer that is being made has a lock of its own.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any

from container_runtime.errors import EngineError
from container_runtime.images.files import as_list, as_object, parse_object, read_json, storage_errors, write_atomically
from container_runtime.images.layers import LayerStore
from container_runtime.images.lock import FileLock
from container_runtime.images.model import Image, chain_ids, image_of
from container_runtime.images.session import Session, living

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from container_runtime.images.reference import Reference

REMOVED = "removed"
"""In an image's record: it is no image any more, but containers have it (``removal``)."""
_MAX_CONFIG = 8 << 20
_KEPT = 256  # images whose configuration is remembered


class Index:
    """``index.json``: which names there are, and of each image its digests, size and blobs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, int, int] | None = None
        self._images: dict[str, Any] = {}
        self._tags: dict[str, str] = {}

    def read(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Images by id and ids by canonical name, as they are now; copies, to be changed and written back."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return {}, {}
        state = (status.st_ino, status.st_mtime_ns, status.st_size)
        if state != self._state:
            content = as_object(read_json(self._path))
            self._images = as_object(content.get("images"))
            self._tags = {name: str(each) for name, each in as_object(content.get("tags")).items()}
            self._state = state
        return dict(self._images), dict(self._tags)

    def write(self, images: dict[str, Any], tags: dict[str, str]) -> None:
        """Replace the index."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {"version": 1, "images": images, "tags": tags}
        write_atomically(self._path, json.dumps(content, indent=1, sort_keys=True).encode())


class Content:
    """The directories of a store, opened by one process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.layers = LayerStore(home)
        self.index = Index(home / "index.json")
        self._blobs = home / "blobs/sha256"
        self._session: Session | None = None
        self._known: dict[str, tuple[object, Image]] = {}
        self._threads = RLock()

    @contextmanager
    def locked(self) -> Generator[Session]:
        """Hold the store's lock; gives this process's session, which is made when first needed."""
        with self._threads, storage_errors("image data", self.home):
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self.home / "lock"):
                if self._session is None:
                    for _ in living(self.home / "sessions"):  # removes what dead ones left
                        pass
                    self._session = Session(self.home / "sessions")
                yield self._session

    @property
    def has_session(self) -> bool:
        """Whether this process holds anything in the store."""
        return self._session is not None

    def uses(self) -> list[dict[str, list[str]]]:
        """What every living process uses; to be asked under the lock."""
        return list(living(self.home / "sessions"))

    def uses_of_others(self) -> list[dict[str, list[str]]]:
        """The same without this process."""
        own = None if self._session is None else self._session.path
        return list(living(self.home / "sessions", own))

    def new_directory(self) -> Path:
        """An empty directory on the store's filesystem, for what is being made."""
        with self.locked() as session:
            return session.new_directory()

    @contextmanager
    def pinned(self, chain: tuple[str, ...]) -> Generator[None]:
        """For the time of the block no process removes these layers."""
        with self.locked() as session:
            session.use_layers(chain)
        try:
            yield
        finally:
            with self.locked() as session:
                session.release_layers(chain)

    def layer_lock(self, chain_id: str) -> FileLock:
        """The lock of a layer that is being made."""
        locks = self.home / "locks"
        locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(locks / chain_id.removeprefix("sha256:"))

    def put_blob(self, data: bytes) -> str:
        """Store ``data`` under its digest, which is returned."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._blobs / digest
        if not path.exists():
            self._blobs.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, data)
        return f"sha256:{digest}"

    def read_blob(self, digest: str) -> bytes | None:
        """What is stored under ``digest``; None where nothing is.

        Raises:
            EngineError: it is damaged.
        """
        path = self._blobs / digest.removeprefix("sha256:")
        with suppress(FileNotFoundError):
            with path.open("rb") as file:
                data = file.read(_MAX_CONFIG + 1)
            if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
                raise EngineError(f"{path} is damaged: remove it and pull the image again")
            return data
        return None

    def remove_blob(self, digest: str) -> None:
        """Remove a blob; nothing happens where it is not there."""
        with suppress(FileNotFoundError):
            (self._blobs / digest.removeprefix("sha256:")).unlink()

    def image(self, identity: str, record: dict[str, Any], tags: dict[str, str]) -> Image | None:
        """The image with this id; None where its configuration is gone.

        One that was made from the same files is given again: their digest and JSON take longer than all else that
        the creation of a container does.
        """
        try:
            status = (self._blobs / identity.removeprefix("sha256:")).stat()
        except FileNotFoundError:
            return None
        names = [name for name, each in tags.items() if each == identity]
        state = (status.st_ino, status.st_mtime_ns, status.st_size, names, record)
        if identity in self._known and self._known[identity][0] == state:
            return self._known[identity][1]
        data = self.read_blob(identity)
        if data is None:
            return None
        image = image_of(
            identity,
            parse_object(data) or {},
            tags=[_familiar(name) for name in names],
            digests=[_familiar(str(name)) for name in as_list(record.get("digests"))],
            size=int(record.get("size") or 0),
        )
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[identity] = (state, image)
        return image

    def add_image(
        self, config: bytes, reference: Reference | None, manifest: tuple[str, bytes] | None = None
    ) -> tuple[str, bool]:
        """Write an image, whose layers are there and pinned, into the index, under a name where one is given.

        ``manifest``: canonical name with digest, and the manifest itself. Returns the id, and whether it is new.

        Raises:
            EngineError: it could not be written.
        """
        with self.locked():
            identity = self.put_blob(config)
            images, tags = self.index.read()
            diff_ids = tuple(str(each) for each in as_list(as_object(json.loads(config)["rootfs"])["diff_ids"]))
            record = dict(as_object(images.get(identity)))
            new = not record or bool(record.pop(REMOVED, False))
            record["size"] = sum(self.layers.size(each) for each in chain_ids(diff_ids))
            if manifest is not None:
                record["blobs"] = sorted({*as_list(record.get("blobs")), self.put_blob(manifest[1])})
                record["digests"] = sorted({*as_list(record.get("digests")), manifest[0]})
            images[identity] = record
            if reference is not None and reference.tag and not reference.digest:
                new = new or tags.get(reference.canonical) != identity
                tags[reference.canonical] = identity
            self.index.write(images, tags)
            return identity, new

    def close(self) -> None:
        """Give up what this process uses, and remove what it has half made."""
        with self._threads:
            if self._session is not None:
                self._session.close()
                self._session = None


def _familiar(name: str) -> str:
    from container_runtime.images.reference import parse

    return parse(name).familiar
