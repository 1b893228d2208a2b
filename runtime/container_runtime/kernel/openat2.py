"""Files below a directory that nobody trusts: every path is resolved with that directory as its root.

``..``, absolute paths and symbolic links, however they are nested, end inside it (openat2(2), RESOLVE_IN_ROOT). What is
then done to a name is done with ``dir_fd`` to its last component, which never follows a link.
"""

from __future__ import annotations

import os
import posixpath
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from container_runtime.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Generator

_RESOLVE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_CHUNK = 1 << 20


def clean(path: str) -> str:
    """``path`` without ``.``, ``..`` and slashes at its ends, as seen from a root: ``../../a/./b/`` is ``a/b``."""
    return posixpath.normpath("/" + path).lstrip("/")


def split(path: str) -> tuple[str, str]:
    """The cleaned path of the parent directory and the last component; both empty for the root."""
    parent, _, name = clean(path).rpartition("/")
    return parent, name


def open_below(directory: int, path: str, flags: int, mode: int = 0) -> int:
    """A descriptor of ``path`` with ``directory`` as its root (close-on-exec); OSError where it does not resolve."""
    return syscalls.openat2(directory, path or ".", flags, mode, _RESOLVE)


def read_regular(directory: int, name: str, limit: int) -> bytes:
    """The content of the regular file ``name`` directly in ``directory``; links are not followed.

    Raises:
        OSError: it is not there or not a regular file (EINVAL).
        ValueError: it has more than ``limit`` bytes.
    """
    descriptor = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=directory
    )
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(22, "not a regular file", name)
        parts: list[bytes] = []
        size = 0
        while chunk := os.read(descriptor, _CHUNK):
            size += len(chunk)
            if size > limit:
                raise ValueError(f"{name} has more than {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)
    finally:
        os.close(descriptor)


class Root:
    """A directory opened as the root of all paths given to its methods."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open ``path``, which is trusted; OSError where it is not a directory."""
        self.descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    @classmethod
    def of(cls, descriptor: int) -> Self:
        """With a directory's descriptor, which is then this object's."""
        root = cls.__new__(cls)
        root.descriptor = descriptor
        return root

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def open(self, path: str, flags: int, mode: int = 0) -> int:
        """A descriptor of ``path``; see ``open_below``."""
        return open_below(self.descriptor, path, flags, mode)

    @contextmanager
    def directory(self, path: str) -> Generator[int]:
        """An O_PATH descriptor of the directory ``path``, for use as ``dir_fd``; closed at the end of the block."""
        descriptor = self.open(path, os.O_PATH | os.O_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def lstat(self, path: str) -> os.stat_result:
        """lstat(2) of ``path``: links in its parents are followed inside the root, the last one is not."""
        parent, name = split(path)
        with self.directory(parent) as directory:
            return os.stat(name or ".", dir_fd=directory, follow_symlinks=False)

    def read(self, path: str, limit: int) -> bytes:
        """The content of the regular file ``path``, of at most ``limit`` bytes; links are followed inside the root."""
        descriptor = self.open(path, os.O_PATH)
        try:
            # An O_PATH descriptor cannot be read, and only now is it known that opening will not block on a FIFO.
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(22, "not a regular file", path)
            with open(f"/proc/self/fd/{descriptor}", "rb") as file:  # noqa: PTH123  a descriptor, not a place
                data = file.read(limit + 1)
        finally:
            os.close(descriptor)
        if len(data) > limit:
            raise ValueError(f"{path} has more than {limit} bytes")
        return data

    def make_directories(self, path: str, mode: int = 0o755) -> None:
        """Make ``path`` and its parents where they are not there."""
        done = ""
        for name in filter(None, clean(path).split("/")):
            with self.directory(done) as parent, suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=parent)
            done = posixpath.join(done, name)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Make or replace the regular file ``path``; a link in its place is replaced, never written through."""
        parent, name = split(path)
        with self.directory(parent) as directory:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            descriptor = os.open(
                name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=directory
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)

    def symlink(self, target: str, path: str) -> None:
        """Make the symbolic link ``path``; ``target`` is stored as it is."""
        parent, name = split(path)
        with self.directory(parent) as directory:
            os.symlink(target, name, dir_fd=directory)
