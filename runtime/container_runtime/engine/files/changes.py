"""``docker diff``: what the writable layer of a container has that its image has not, and the other way round.

The rules are moby's (``go-archive``, ChangesDirs): of a directory mode and owner count, of a file size and time too; a
directory is changed where something in it is. What the engine itself makes, as places for its mounts, does not count:
in Docker it belongs to a layer below.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.engine.storage import roots
from container_runtime.images.files import opaque_attribute
from container_runtime.images.merged import MergedView
from container_runtime.kernel import syscalls
from container_runtime.state.roots import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine

MODIFIED, ADDED, DELETED = 0, 1, 2
"""Docker's ``Kind``."""
_OWN_FILES = frozenset({"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"})
_OWN_DIRECTORIES = frozenset({"/proc", "/sys", "/dev"})
_RESOLVE = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
_CHANGED = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
"""What is said of a path that was a directory a moment ago, and is none any more: the container runs."""
_BOTH, _ABOVE, _BELOW = "both", "above", "below"
_MARK, _OPAQUE_MARK = ".wh.", ".wh..wh..opq"  # fuse-overlayfs(1), where it may make no device nodes or attributes
_CAPABILITY = "security.capability"


class Change(NamedTuple):
    """One path, from the root, and what happened to it."""

    path: str
    kind: int


class Part(NamedTuple):
    """A part of a root (as a rule there is one, "/"): its place, writable layer, and lower directories, top first."""

    destination: str
    upper: Path
    lower: tuple[str, ...]
    strategy: str = "overlay"
    """What the writable layer was written by (``engine.roots``). With "copies" it is no layer, but all that there is;
    fuse-overlayfs has marks of its own for what is not there any more."""


def parts(engine: Engine, container: Container) -> list[Part]:
    """The parts of a container's root, for ``compare``: since its snapshot or last checkpoint, where it has one."""
    strategy = engine.run.strategy
    return [
        Part(destination, roots.layer(engine, container, destination) / "upper", directories, strategy)
        for destination, directories in roots.parts(engine, container)
    ]


def compare(chosen: list[Part]) -> list[Change]:
    """All changes: a directory before what is in it, names in order.

    Raises:
        OSError: a layer could not be read.
    """
    found: list[Change] = []
    for part in chosen:
        if part.upper.is_dir():
            found += _Comparison(part).run()
    return found


class _Comparison:
    """One part's."""

    def __init__(self, part: Part) -> None:
        self._prefix = part.destination.rstrip("/")
        self._lower = MergedView(part.lower)
        self._strategy = part.strategy
        self._top = os.open(part.upper, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._found: list[tuple[str, int | None]] = []  # None: of a directory that is the same itself
        self._waiting: list[tuple[str, str]] = []  # what is to be looked at, and where it may be

    def run(self) -> list[Change]:
        """Look at everything."""
        try:
            self._enter("", merged=True)
            while self._waiting:
                path, where = self._waiting.pop()
                if where == _BELOW:
                    self._found.append((path, DELETED))
                else:
                    self._look(path, self._lower.lstat(path) if where == _BOTH else None)
        finally:
            os.close(self._top)
        return self._settle()

    def _look(self, path: str, below: os.stat_result | None) -> None:
        try:
            status = self._status(path)
        except OSError:
            return  # it was there a moment ago; the container runs
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            if below is not None:
                self._found.append((path, DELETED))
            return
        if self._is_own(path, status, below):
            if stat.S_ISDIR(status.st_mode):
                self._found.append((path, None))
                self._enter(path, merged=False)
            return
        if below is None:
            self._found.append((path, ADDED))
        elif self._differs(path, status, below):
            self._found.append((path, MODIFIED))
        elif stat.S_ISDIR(status.st_mode):
            self._found.append((path, None))
        if stat.S_ISDIR(status.st_mode):
            self._enter(path, merged=below is not None and stat.S_ISDIR(below.st_mode))

    def _is_own(self, path: str, status: os.stat_result, below: os.stat_result | None) -> bool:
        whole = f"{self._prefix}/{path}"
        if whole == f"/{roots.MARK}":
            return stat.S_ISREG(status.st_mode) and status.st_size == 0
        if below is not None:
            return False
        if stat.S_ISDIR(status.st_mode):
            return whole in _OWN_DIRECTORIES
        return whole in _OWN_FILES and stat.S_ISREG(status.st_mode) and status.st_size == 0

    def _differs(self, path: str, status: os.stat_result, below: os.stat_result) -> bool:
        if (status.st_mode, status.st_uid, status.st_gid) != (below.st_mode, below.st_uid, below.st_gid):
            return True
        if stat.S_ISDIR(status.st_mode):
            return False
        same_time = status.st_mtime_ns == below.st_mtime_ns or (
            # An archive's times are whole seconds, which a copy may have had before.
            status.st_mtime_ns // 10**9 == below.st_mtime_ns // 10**9
            and not (status.st_mtime_ns % 10**9 and below.st_mtime_ns % 10**9)
        )
        if not same_time or status.st_size != below.st_size or status.st_rdev != below.st_rdev:
            return True
        return stat.S_ISREG(status.st_mode) and self._attribute(path, _CAPABILITY) != self._lower.attribute(
            path, _CAPABILITY
        )

    def _enter(self, path: str, *, merged: bool) -> None:
        """Have what is in a directory looked at; where it hides the lower one, what is only there has been deleted."""
        try:
            descriptor = self._open(path or ".", os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            if path and error.errno in _CHANGED:
                return
            raise
        try:
            names = {*os.listdir(descriptor)}  # noqa: PTH208  a descriptor
        finally:
            os.close(descriptor)
        marks: set[str] = set()
        if self._strategy == PROGRAM:
            marks = {name for name in names if name.startswith(_MARK)}
            names -= marks
        gone: set[str] = set()
        if merged and self._is_opaque(path, marks):
            gone = self._lower.names(path) - names
        elif merged and marks:
            gone = ({name.removeprefix(_MARK) for name in marks} & self._lower.names(path)) - names
        prefix = f"{path}/" if path else ""
        where = _BOTH if merged else _ABOVE
        for name in sorted(names | gone, key=os.fsencode, reverse=True):
            self._waiting.append((prefix + name, _BELOW if name in gone else where))

    def _is_opaque(self, path: str, marks: set[str]) -> bool:
        """Whether nothing of the directory below shows through."""
        if self._strategy == "copies" or _OPAQUE_MARK in marks:
            return True
        return self._attribute(path or ".", opaque_attribute()) == b"y"

    def _open(self, path: str, flags: int) -> int:
        return syscalls.openat2(self._top, path, flags, 0, _RESOLVE)

    def _status(self, path: str) -> os.stat_result:
        descriptor = self._open(path, os.O_PATH | os.O_NOFOLLOW)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _attribute(self, path: str, name: str) -> bytes | None:
        try:
            descriptor = self._open(path, os.O_PATH | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            return os.getxattr(f"/proc/self/fd/{descriptor}", name)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _settle(self) -> list[Change]:
        """The changes, a directory among them where something in it is: parents were noted before their children."""
        found: list[Change] = []
        touched: set[str] = set()
        for path, kind in reversed(self._found):
            chosen = MODIFIED if kind is None and path in touched else kind
            if chosen is not None:
                touched.add(path.rpartition("/")[0])
                found.append(Change(f"{self._prefix}/{path}", chosen))
        found.reverse()
        return found
