"""The passwd and group files that a container's user is looked up in."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from container_runtime.kernel import openat2

if TYPE_CHECKING:
    from container_runtime.images.model import Image
    from container_runtime.images.store import ImageStore

Accounts = tuple[bytes | None, bytes | None]
"""passwd and group; None where there is no such file."""

_FILES = ("/etc/passwd", "/etc/group")
_LIMIT = 1 << 20  # bytes of one file
_KEPT = 64  # images

_cache: dict[object, Accounts] = {}


def _key(image: Image) -> object:
    """An image's content is its name; the machine's own root (no layers) changes, which its files' times tell."""
    if image.diff_ids:
        return image.id
    key: list[object] = [image.id]
    for path in _FILES:
        with suppress(OSError):
            status = os.stat(path)  # noqa: PTH116
            key.append((path, status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(key)


def of_image(images: ImageStore, image: Image) -> Accounts:
    """The files of an image, which its new containers begin with.

    Raises:
        EngineError: one has more than a megabyte, or cannot be read.
    """
    key = _key(image)
    found = _cache.get(key)
    if found is None:
        if len(_cache) >= _KEPT:
            _cache.clear()
        passwd, group = (images.read_file(image, path, _LIMIT) for path in _FILES)
        found = _cache[key] = (passwd, group)
    return found


def of_process(pid: int) -> Accounts:
    """The files as a running container has them now, users added since its start included; no link leads out of it.

    Raises:
        OSError: the process has ended.
    """
    with openat2.Root(f"/proc/{pid}/root") as root:
        passwd, group = (_read(root, path) for path in _FILES)
    if passwd is None or group is None:
        # With its end go the mounts that its root is composed of, but its own root before them (kernel: do_exit).
        os.stat(f"/proc/{pid}/root")  # noqa: PTH116
    return passwd, group


def _read(root: openat2.Root, path: str) -> bytes | None:
    with suppress(OSError, ValueError):
        parent = root.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)  # noqa: PTH120
        try:
            return openat2.read_regular(parent, os.path.basename(path), _LIMIT)  # noqa: PTH119
        finally:
            os.close(parent)
    return None
