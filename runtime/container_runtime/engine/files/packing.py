"""Files below a root become a tar archive, written as it is read, so that nothing of it is held in memory.

The archive is what moby's ``go-archive`` writes: POSIX (pax), whole seconds, numeric owners, capabilities and users'
attributes as ``SCHILY.xattr``; a further name of a file is a hard link, sockets are left out. A container that runs may
change its tree meanwhile, and is not trusted: directories are opened from the top without following links, files
through a descriptor that has been looked at.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from typing import TYPE_CHECKING

from container_runtime.images.unpack import XATTR
from container_runtime.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[bytes], object]

_CHUNK = 1 << 18
_BLOCK = 512
_END = bytes(2 * _BLOCK)  # pax: two blocks of zeros end an archive
_RESOLVE = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
# What a tree that changes, or that an ordinary user may not read all of, answers; moby leaves such entries out too.
_LEFT_OUT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ESTALE, errno.ELOOP,
                       errno.ENAMETOOLONG})  # fmt: skip
_TYPES = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


class Packer:
    """Writes one archive by ``write``, which may block and may raise to end it."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._names: dict[tuple[int, int], str] = {}

    def tree(self, top: int, name: str) -> None:
        """The directory ``top`` (a descriptor) and all below it; ``name`` stands before all names, "" for none.

        Raises:
            OSError: ``top`` cannot be read. What is below and cannot is left out.
        """
        if name:
            self._directory(top, name if name == "/" else f"{name}/")
        prefix = name if name in {"", "/"} else f"{name}/"
        waiting = [("", child) for child in reversed(_names(top, "."))]
        while waiting:
            above, child = waiting.pop()
            path = f"{above}{child}"
            try:
                if self.entry(top, path, f"{prefix}{path}"):
                    waiting += [(f"{path}/", each) for each in reversed(_names(top, path))]
            except OSError as error:
                if error.errno not in _LEFT_OUT:
                    raise

    def entry(self, top: int, path: str, name: str) -> bool:
        """One file or directory, without what is in it; whether it is a directory.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        descriptor = syscalls.openat2(top, path, os.O_PATH | os.O_NOFOLLOW, 0, _RESOLVE)
        try:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                self._directory(descriptor, f"{name}/")
                return True
            self.file(descriptor, name)
            return False
        finally:
            os.close(descriptor)

    def file(self, descriptor: int, name: str) -> None:
        """One file of any type but a directory, by a descriptor that may be O_PATH. Errors as ``entry``'s."""
        status = os.fstat(descriptor)
        if not stat.S_ISSOCK(status.st_mode):
            self._file(descriptor, status, name)

    def whiteout(self, path: str) -> None:
        """That ``path`` is not there any more, in a layer (OCI image specification, "Whiteouts")."""
        above, slash, name = path.rpartition("/")
        self._header(tarfile.TarInfo(f"{above}{slash}.wh.{name}"))

    def finish(self) -> None:
        """The end of the archive."""
        self._write(_END)

    def _directory(self, top: int, name: str) -> None:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=top)
        try:
            info = _info(os.fstat(descriptor), name)
            info.pax_headers = _attributes(descriptor)
            self._header(info)
        finally:
            os.close(descriptor)

    def _file(self, descriptor: int, status: os.stat_result, name: str) -> None:
        info = _info(status, name)
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and key in self._names:
            info.type, info.linkname = tarfile.LNKTYPE, self._names[key]
            self._header(info)
            return
        if stat.S_ISLNK(status.st_mode):
            info.linkname = os.readlink("", dir_fd=descriptor)
            self._header(info)
        elif stat.S_ISREG(status.st_mode):
            self._regular(descriptor, info)
        else:
            self._header(info)
        if status.st_nlink > 1:
            self._names[key] = name

    def _regular(self, descriptor: int, info: tarfile.TarInfo) -> None:
        # Opened through the descriptor that was looked at: in its place there may be a FIFO or a device by now.
        file = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            info.size = os.fstat(file).st_size
            info.pax_headers = _attributes(file)
            self._header(info)
            left = info.size
            while left:
                data = os.read(file, min(left, _CHUNK))
                if not data:  # it has become shorter: zeros, as tar(1) does it, so that the archive stays one
                    data = bytes(min(left, _CHUNK))
                self._write(data)
                left -= len(data)
            self._write(bytes(-info.size % _BLOCK))
        finally:
            os.close(file)

    def _header(self, info: tarfile.TarInfo) -> None:
        self._write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))


def _names(top: int, path: str) -> list[str]:
    descriptor = syscalls.openat2(top, path, os.O_RDONLY | os.O_DIRECTORY, 0, _RESOLVE)
    try:
        return sorted(os.listdir(descriptor), key=os.fsencode)  # noqa: PTH208  a descriptor
    finally:
        os.close(descriptor)


def _info(status: os.stat_result, name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = _TYPES[stat.S_IFMT(status.st_mode)]
    info.mode = stat.S_IMODE(status.st_mode)
    info.uid, info.gid = status.st_uid, status.st_gid
    info.mtime = status.st_mtime_ns // 10**9
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return info


def _attributes(descriptor: int) -> dict[str, str]:
    """Capabilities and users' attributes as extended headers; none where the filesystem has none."""
    found: dict[str, str] = {}
    try:
        for name in os.listxattr(descriptor):
            if name == "security.capability" or (name.startswith("user.") and not name.startswith("user.overlay.")):
                found[XATTR + name] = os.getxattr(descriptor, name).decode("utf-8", "surrogateescape")
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.ENODATA, errno.EPERM, errno.EACCES}:
            raise
    return found
