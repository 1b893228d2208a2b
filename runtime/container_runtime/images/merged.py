"""Looking at an image's files without mounting it: its layers read as overlayfs would merge them."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from container_runtime.images.files import opaque_attribute
from container_runtime.kernel import syscalls
from container_runtime.kernel.openat2 import read_regular

if TYPE_CHECKING:
    from collections.abc import Generator

_MAX_LINKS = 40  # path_resolution(7)
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EXDEV, errno.ELOOP})
# EXDEV: a mount point inside a layer, of which overlayfs shows the empty directory below it.


@dataclass
class _Found:
    """A name: its status, the directory it is in, and, of a directory, its part in each layer, top first."""

    status: os.stat_result
    parent: int
    name: str
    parts: list[int]


class MergedView:
    """The tree that ``lowerdir=`` of these directories, top first, would show."""

    def __init__(self, directories: tuple[str, ...]) -> None:
        self._directories = directories

    def lstat(self, path: str) -> os.stat_result | None:
        """The status of ``path``, a link in its last component not followed; None where it is not there."""
        with ExitStack() as stack:
            found = self._walk(stack, path, follow=False)
            return found.status if found else None

    @contextmanager
    def directory(self, path: str) -> Generator[list[str] | None]:
        """The parts of the directory ``path``, top first, as paths valid in the block; None: not there.

        Links are followed inside the tree.

        Raises:
            NotADirectoryError: there is something else.
        """
        with ExitStack() as stack:
            found = self._walk(stack, path, follow=True)
            if found is None:
                yield None
                return
            if not stat.S_ISDIR(found.status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            yield [f"/proc/self/fd/{part}/." for part in found.parts]

    def read(self, path: str, limit: int) -> bytes | None:
        """The content of the regular file ``path``, links followed inside the tree; None where there is none.

        Raises:
            ValueError: it has more than ``limit`` bytes.
        """
        with ExitStack() as stack:
            found = self._walk(stack, path, follow=True)
            if found is None or not stat.S_ISREG(found.status.st_mode):
                return None
            return read_regular(found.parent, found.name, limit)

    def names(self, path: str) -> set[str]:
        """The names in the directory ``path``; none where it is not there, or no directory."""
        with ExitStack() as stack:
            found = self._walk(stack, path, follow=False)
            if found is None or not stat.S_ISDIR(found.status.st_mode):
                return set()
            names = {name for part in found.parts for name in os.listdir(f"/proc/self/fd/{part}")}  # noqa: PTH208
            return {name for name in names if _look(stack, found.parts, name) is not None}

    def attribute(self, path: str, name: str) -> bytes | None:
        """An extended attribute of ``path``, the last link not followed; None where there is none."""
        with ExitStack() as stack:
            found = self._walk(stack, path, follow=False)
            if found is None:
                return None
            try:
                return os.getxattr(f"/proc/self/fd/{found.parent}/{found.name}", name, follow_symlinks=False)
            except OSError:
                return None

    def resolve(self, path: str) -> str:
        """``path`` from the root without links on the way or at its end; what is not there is taken as it is.

        Raises:
            OSError: ELOOP.
        """
        done: list[str] = []
        rest = deque(_components(path))
        links = 0
        while rest:
            name = rest.popleft()
            if name == "..":
                done = done[:-1]
                continue
            with ExitStack() as stack:
                found = self._walk(stack, "/".join([*done, name]), follow=False)
                if found is None or not stat.S_ISLNK(found.status.st_mode):
                    done.append(name)
                    continue
                target = os.readlink(found.name, dir_fd=found.parent)
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            done = [] if target.startswith("/") else done
            rest.extendleft(reversed(_components(target)))
        return "/" + "/".join(done)

    def _walk(self, stack: ExitStack, path: str, *, follow: bool) -> _Found | None:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        root = [_keep(stack, os.open(directory, flags)) for directory in self._directories]
        levels = [root]
        rest = deque(_components(path))
        found: _Found | None = _Found(os.fstat(root[0]), root[0], ".", root)
        links = 0
        while rest:
            name = rest.popleft()
            if name == "..":
                levels = levels[:-1] or levels
                continue
            found = _look(stack, levels[-1], name)
            if found is None:
                return None
            if stat.S_ISLNK(found.status.st_mode) and (rest or follow):
                links += 1
                if links > _MAX_LINKS:
                    return None
                target = os.readlink(found.name, dir_fd=found.parent)
                levels = [root] if target.startswith("/") else levels
                rest.extendleft(reversed(_components(target)))
            elif stat.S_ISDIR(found.status.st_mode):
                levels.append(found.parts)
            elif rest:
                return None
        return found


def _components(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def _keep(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _look(stack: ExitStack, directories: list[int], name: str) -> _Found | None:
    found: _Found | None = None
    for directory in directories:
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            if error.errno in _MISSING:
                continue
            raise
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            break
        if not stat.S_ISDIR(status.st_mode):
            return found or _Found(status, directory, name, [])
        found = found or _Found(status, directory, name, [])
        try:
            part = syscalls.openat2(
                directory,
                name,
                os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW,
                0,
                syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_XDEV | syscalls.RESOLVE_NO_SYMLINKS,
            )
        except OSError as error:
            if error.errno in _MISSING:
                continue
            raise
        found.parts.append(_keep(stack, part))
        if _is_opaque(part):
            break
    return found


def _is_opaque(descriptor: int) -> bool:
    try:
        # Through /proc, because attributes of an O_PATH descriptor cannot be read (EBADF).
        return os.getxattr(f"/proc/self/fd/{descriptor}", opaque_attribute()) == b"y"
    except OSError:
        return False
