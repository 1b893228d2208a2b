"""A tar archive of a stream that nobody trusts becomes files below a root: owners, modes, attributes, times.

Every entry is made with ``dir_fd`` in a parent directory resolved with the root as its own, so that no name, link or
earlier entry leads out of it. What a layer's archive means is in ``extract``; what goes into a container is in the
engine; both are subclasses of ``Unpacker``.
"""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from container_runtime.images.tarstream import BadArchive, open_archive
from container_runtime.kernel import userns
from container_runtime.kernel.openat2 import clean, split

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable

    from container_runtime.images.tarstream import CountingReader
    from container_runtime.kernel.openat2 import Root

XATTR: Final = "SCHILY.xattr."
"""What begins the extended header of an attribute (star(5)); what every image builder writes."""
_MAX_DEPTH: Final = 256
_LATEST: Final = 2**33  # seconds; ext4's inodes end in 2446, beyond it the kernel clamps anyway


class MissingTarget(BadArchive):
    """A hard link to what is not there."""


class Unpacker:
    """Unpacks one archive below one root.

    ``owners``: False where the process may not give files away. ``stop`` is called for each entry and may raise.
    """

    def __init__(self, root: Root, *, owners: bool, stop: Callable[[], None]) -> None:
        self.root = root
        self.owners = owners
        self._stop = stop
        self._times: dict[str, int] = {}
        self._parent: tuple[str, int] | None = None

    def run(self, reader: CountingReader) -> None:
        """Unpack everything that ``reader`` holds.

        Raises:
            BadArchive: the archive is damaged, or is not what may be unpacked here.
            OSError: the filesystem refused.
        """
        try:
            with open_archive(reader) as members:
                for archive, member in members:
                    self._stop()
                    self._entry(archive, member)
            self._forget_parent()
            self._set_directory_times()
        finally:
            self._forget_parent()

    # What kinds of archives differ in

    def place(self, name: str) -> str:
        """The path, below the root, of what the archive calls ``name``; empty for the root itself."""
        return clean(name)

    def link_place(self, name: str) -> str:
        """The same of what a hard link leads to."""
        return self.place(name)

    def is_special(self, parent: int, name: str) -> bool:
        """Whether an entry stands for something else than a file, and has been dealt with."""
        del parent, name
        return False

    def top(self, member: tarfile.TarInfo) -> None:
        """The directory itself that is unpacked into, where the archive mentions it."""
        raise NotImplementedError

    def make_way(self, parent: int, name: str, member: tarfile.TarInfo) -> bool:
        """Remove what an entry replaces; what is returned goes to ``made_directory``."""
        raise NotImplementedError

    def made_directory(self, parent: int, name: str, *, opaque: bool) -> None:
        """A directory has been made, of which ``make_way`` said ``opaque``."""

    def imply(self, parent: int, name: str, path: str) -> None:
        """Make a directory that the archive needs and does not mention."""
        raise NotImplementedError

    def owner(self, member: tarfile.TarInfo) -> tuple[int, int]:
        """Whose the file becomes: user and group."""
        return member.uid, member.gid

    def unknown(self, member: tarfile.TarInfo) -> None:
        """An entry of a type that is no file: left out, or refused by raising."""

    # Entries

    def _entry(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        if "\0" in member.name or "\0" in member.linkname:
            raise BadArchive("it has a name with a zero byte")
        path = self.place(member.name)
        if path == self.place("."):
            if member.isdir():
                self.top(member)
            return
        parent_path, name = split(path)
        if len(name.encode(errors="surrogateescape")) > 255:
            raise BadArchive(f"the name {name[:40]!r}… is longer than the 255 bytes that Linux allows")
        parent = self._open_parent(parent_path)
        if self.is_special(parent, name):
            return
        opaque = self.make_way(parent, name, member)
        self._make(archive, member, parent, name, posixpath.join(parent_path, name))
        if member.isdir():
            self.made_directory(parent, name, opaque=opaque)

    # Parents

    def _open_parent(self, path: str) -> int:
        """A descriptor of the directory ``path``, kept until another parent is asked for."""
        if self._parent is not None:
            if self._parent[0] == path:
                return self._parent[1]
            self._forget_parent()
        if path.count("/") >= _MAX_DEPTH:
            raise BadArchive(f"it has directories more than {_MAX_DEPTH} deep")
        descriptor = self._directory(path)
        self._parent = (path, descriptor)
        return descriptor

    def _forget_parent(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def _directory(self, path: str) -> int:
        try:
            return self.root.open(path, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                raise BadArchive(f"the parent directory {path!r}: {os.strerror(error.errno or 0)}") from None
        upper, name = split(path)
        parent = self._directory(upper)
        try:
            self.imply(parent, name, path)
            return self.root.open(path, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EEXIST}:
                raise BadArchive(f"the parent directory {path!r} is something else there") from None
            raise
        finally:
            os.close(parent)

    # New entries

    def _make(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str, path: str) -> None:
        if member.isreg():
            self._file(archive, member, parent, name)
        elif member.isdir():
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
            self.directory_metadata(parent, name, path, member)
        elif member.issym():
            if not member.linkname:
                raise BadArchive(f"the symbolic link {path!r} has no target")
            os.symlink(member.linkname, name, dir_fd=parent)
            self._metadata_by_name(parent, name, member)
        elif member.islnk():
            self._hard_link(member, parent, name, path)
        elif member.ischr() or member.isblk() or member.isfifo():
            self._node(member, parent, name)
        else:  # a label of GNU tar, a type of another system
            self.unknown(member)

    def _file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=parent)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            content = archive.extractfile(member)
            if content is not None:
                shutil.copyfileobj(content, file, 1 << 18)
            if file.tell() != member.size:
                raise BadArchive(f"{member.name!r} ends early")
            self._metadata(descriptor, member)

    def _hard_link(self, member: tarfile.TarInfo, parent: int, name: str, path: str) -> None:
        target = self.link_place(member.linkname)
        upper, base = split(target)
        if target == clean(path):
            raise BadArchive(f"{path!r} is a hard link to itself")
        try:
            with self.root.directory(upper) as directory:
                os.link(base, name, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.EPERM, errno.ELOOP}:
                raise
            if error.errno == errno.ENOENT:
                raise MissingTarget(f"{path!r} is a hard link to {member.linkname!r}: it is not there") from None
            why = os.strerror(error.errno or 0)
            raise BadArchive(f"{path!r} is a hard link to {member.linkname!r}: {why}") from None

    def _node(self, member: tarfile.TarInfo, parent: int, name: str) -> None:
        kind = stat.S_IFIFO if member.isfifo() else stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        device = 0 if member.isfifo() else os.makedev(member.devmajor, member.devminor)
        if not member.isfifo() and userns.active():
            return  # device nodes are for the machine's root, and would open nothing in a container
        os.mknod(name, kind | 0o600, device, dir_fd=parent)
        self._metadata_by_name(parent, name, member)

    # Owners, modes, attributes, times

    def directory_metadata(self, parent: int, name: str, path: str, member: tarfile.TarInfo) -> None:
        """Give a directory, ``path`` below the root, what the archive says of it; its time is set last of all."""
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            self._metadata(descriptor, member)
        finally:
            os.close(descriptor)
        self._times[path] = _nanoseconds(member)

    def _metadata(self, descriptor: int, member: tarfile.TarInfo) -> None:
        # In this order: chown clears the set-id bits and security.capability.
        if self.owners:
            os.fchown(descriptor, *self.owner(member))
        os.fchmod(descriptor, stat.S_IMODE(member.mode))
        for key, value in member.pax_headers.items():
            attribute = key.removeprefix(XATTR)
            if attribute != key and _is_wanted(attribute):
                os.setxattr(descriptor, attribute, value.encode("utf-8", "surrogateescape"))
        when = _nanoseconds(member)
        os.utime(descriptor, ns=(when, when))

    def _metadata_by_name(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        if self.owners:
            os.chown(name, *self.owner(member), dir_fd=parent, follow_symlinks=False)
        if not member.issym():
            # By a descriptor: a container that runs could put a link in the place of what was just made.
            descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
                    Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IMODE(member.mode))
            finally:
                os.close(descriptor)
        when = _nanoseconds(member)
        os.utime(name, ns=(when, when), dir_fd=parent, follow_symlinks=False)

    def _set_directory_times(self) -> None:
        """Last, because every entry made in a directory changes its time."""
        for path, when in self._times.items():
            # A later entry may have replaced the directory.
            with suppress(OSError):
                descriptor = self.root.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    os.utime(descriptor, ns=(when, when))
                finally:
                    os.close(descriptor)


def lstat_in(parent: int, name: str) -> os.stat_result | None:
    """The status of a name in a directory, None where it is not there."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_wanted(attribute: str) -> bool:
    """File capabilities and the user's own; never trusted.*, with which a layer would steer overlayfs itself."""
    if attribute == "security.capability":
        return True
    return attribute.startswith("user.") and not attribute.startswith("user.overlay.")


def _nanoseconds(member: tarfile.TarInfo) -> int:
    seconds = min(max(float(member.mtime), 0.0), float(_LATEST))
    whole = int(seconds)  # apart, because a float has too few digits for all of it
    return whole * 1_000_000_000 + round((seconds - whole) * 1_000_000_000)
