"""A layer's tar archive becomes a directory that overlayfs can use as a lower layer.

Deletions are translated from the archive's form (``.wh.name``, ``.wh..wh..opq``; OCI image specification, "Whiteouts")
to overlayfs's (a character device 0:0, an attribute of the directory; overlayfs.rst, "whiteouts and opaque
directories"). Every entry is made with ``dir_fd`` in a parent directory resolved with the layer as its root, so that no
name, link or earlier entry leads out of it.
"""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from container_runtime.images.files import opaque_attribute
from container_runtime.images.tarstream import BadArchive, HashingReader, decompress, open_archive
from container_runtime.kernel import userns
from container_runtime.kernel.openat2 import Root, clean, split

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO

_WHITEOUT: Final = ".wh."
_OPAQUE_MARK: Final = ".wh..wh..opq"
_AUFS_OWN: Final = ".wh..wh."  # .wh..wh.aufs, .wh..wh.plnk: aufs's own book-keeping, never part of an image
_XATTR: Final = "SCHILY.xattr."  # star(5), and what every image builder writes
_MAX_DEPTH: Final = 256
_LATEST: Final = 2**33  # seconds; ext4's inodes end in 2446, beyond it the kernel clamps anyway


class Extractor:
    """Unpacks one archive into one directory.

    ``lower``: gives the status of a path in the layers below, or None; a parent directory that the archive does not
    mention gets owner and mode from there, because the upper layer's are the ones that count. ``owners``: False where
    the process may not give files away.
    """

    def __init__(
        self, root: Root, lower: Callable[[str], os.stat_result | None], *, owners: bool, stop: Callable[[], None]
    ) -> None:
        self._root = root
        self._lower = lower
        self._owners = owners
        self._stop = stop
        self._times: dict[str, int] = {}
        self._parent: tuple[str, int] | None = None

    def run(self, reader: HashingReader) -> None:
        """Unpack everything that ``reader`` holds.

        Raises:
            BadArchive: the archive is damaged, or is not what a layer can be.
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

    def _entry(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        if "\0" in member.name or "\0" in member.linkname:
            raise BadArchive("it has a name with a zero byte")
        parent_path, name = split(member.name)
        if not name:
            if member.isdir():  # the root itself, "./"
                self._directory_metadata(self._root.descriptor, ".", "", member)
            return
        if len(name.encode(errors="surrogateescape")) > 255:
            raise BadArchive(f"the name {name[:40]!r}… is longer than the 255 bytes that Linux allows")
        parent = self._open_parent(parent_path)
        if name.startswith(_WHITEOUT):
            self._whiteout(parent, name)
            return
        opaque = self._make_way(parent, name, keep_directory=member.isdir())
        self._make(archive, member, parent, name, posixpath.join(parent_path, name))
        if opaque and member.isdir():
            self._mark_opaque(parent, name)

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
            return self._root.open(path, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                raise BadArchive(f"the parent directory {path!r}: {os.strerror(error.errno or 0)}") from None
        upper, name = split(path)
        parent = self._directory(upper)
        try:
            self._make_implicit(parent, name, path)
            return self._root.open(path, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EEXIST}:
                raise BadArchive(f"the parent directory {path!r} is something else there") from None
            raise
        finally:
            os.close(parent)

    def _make_implicit(self, parent: int, name: str, path: str) -> None:
        """A directory that the archive needs and does not mention."""
        opaque = False
        if _is_whiteout(_lstat(parent, name)):
            os.unlink(name, dir_fd=parent)
            opaque = True
        os.mkdir(name, 0o755, dir_fd=parent)
        below = None if opaque else self._lower(path)
        if below is not None and stat.S_ISDIR(below.st_mode):
            if self._owners:
                os.chown(name, below.st_uid, below.st_gid, dir_fd=parent, follow_symlinks=False)
            os.chmod(name, stat.S_IMODE(below.st_mode), dir_fd=parent)
        if opaque:
            self._mark_opaque(parent, name)

    # What is there already

    def _make_way(self, parent: int, name: str, *, keep_directory: bool) -> bool:
        """Remove what an entry replaces. True where the layers below must not show through a new directory."""
        status = _lstat(parent, name)
        if status is None:
            return False
        if stat.S_ISDIR(status.st_mode):
            if not keep_directory:
                self._remove_directory(parent, name)
            return False
        os.unlink(name, dir_fd=parent)
        return _is_whiteout(status)

    def _remove_directory(self, parent: int, name: str) -> None:
        shutil.rmtree(name, dir_fd=parent)

    def _whiteout(self, parent: int, mark: str) -> None:
        if mark == _OPAQUE_MARK:
            self._mark_opaque(parent, ".")
            return
        name = mark.removeprefix(_WHITEOUT)
        if mark.startswith(_AUFS_OWN) or name in {"", ".", ".."}:
            return
        status = _lstat(parent, name)
        if status is None:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        elif stat.S_ISDIR(status.st_mode):
            # A whiteout speaks of the layers below: what this layer has under the same name stays.
            self._mark_opaque(parent, name)

    def _mark_opaque(self, parent: int, name: str) -> None:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.setxattr(descriptor, opaque_attribute(), b"y")
        finally:
            os.close(descriptor)

    # New entries

    def _make(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str, path: str) -> None:
        if member.isreg():
            self._file(archive, member, parent, name)
        elif member.isdir():
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
            self._directory_metadata(parent, name, path, member)
        elif member.issym():
            if not member.linkname:
                raise BadArchive(f"the symbolic link {path!r} has no target")
            os.symlink(member.linkname, name, dir_fd=parent)
            self._metadata_by_name(parent, name, member)
        elif member.islnk():
            self._hard_link(member, parent, name, path)
        elif member.ischr() or member.isblk() or member.isfifo():
            self._node(member, parent, name)
        # Anything else (a label of GNU tar, a type of another system) is no file.

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
        upper, base = split(member.linkname)
        if clean(member.linkname) == clean(path):
            raise BadArchive(f"{path!r} is a hard link to itself")
        try:
            with self._root.directory(upper) as directory:
                os.link(base, name, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.EPERM, errno.ELOOP}:
                raise
            why = "is not in this layer" if error.errno == errno.ENOENT else os.strerror(error.errno or 0)
            raise BadArchive(f"{path!r} is a hard link to {member.linkname!r}: {why}") from None

    def _node(self, member: tarfile.TarInfo, parent: int, name: str) -> None:
        kind = stat.S_IFIFO if member.isfifo() else stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        device = 0 if member.isfifo() else os.makedev(member.devmajor, member.devminor)
        if not member.isfifo() and userns.active():
            return  # device nodes are for the machine's root, and would open nothing in a container
        os.mknod(name, kind | 0o600, device, dir_fd=parent)
        self._metadata_by_name(parent, name, member)

    # Owners, modes, attributes, times

    def _directory_metadata(self, parent: int, name: str, path: str, member: tarfile.TarInfo) -> None:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            self._metadata(descriptor, member)
        finally:
            os.close(descriptor)
        self._times[path] = _nanoseconds(member)

    def _metadata(self, descriptor: int, member: tarfile.TarInfo) -> None:
        # In this order: chown clears the set-id bits and security.capability.
        if self._owners:
            os.fchown(descriptor, member.uid, member.gid)
        os.fchmod(descriptor, stat.S_IMODE(member.mode))
        for key, value in member.pax_headers.items():
            attribute = key.removeprefix(_XATTR)
            if attribute != key and _is_wanted(attribute):
                os.setxattr(descriptor, attribute, value.encode("utf-8", "surrogateescape"))
        when = _nanoseconds(member)
        os.utime(descriptor, ns=(when, when))

    def _metadata_by_name(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        if self._owners:
            os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
        if not member.issym():
            # Made above with O_EXCL's strength (mknod fails where a name is taken), so it is no link.
            os.chmod(name, stat.S_IMODE(member.mode), dir_fd=parent)
        when = _nanoseconds(member)
        os.utime(name, ns=(when, when), dir_fd=parent, follow_symlinks=False)

    def _set_directory_times(self) -> None:
        """Last, because every entry made in a directory changes its time."""
        for path, when in self._times.items():
            # A later entry may have replaced the directory.
            with suppress(OSError):
                descriptor = self._root.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    os.utime(descriptor, ns=(when, when))
                finally:
                    os.close(descriptor)


def _lstat(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_whiteout(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_wanted(attribute: str) -> bool:
    """File capabilities and the user's own; never trusted.*, with which a layer would steer overlayfs itself."""
    if attribute == "security.capability":
        return True
    return attribute.startswith("user.") and not attribute.startswith("user.overlay.")


def _nanoseconds(member: tarfile.TarInfo) -> int:
    seconds = min(max(float(member.mtime), 0.0), float(_LATEST))
    whole = int(seconds)  # apart, because a float has too few digits for all of it
    return whole * 1_000_000_000 + round((seconds - whole) * 1_000_000_000)


def extract_layer(
    stream: IO[bytes],
    directory: Path,
    *,
    lower: Callable[[str], os.stat_result | None] = lambda _: None,
    stop: Callable[[], None] = lambda: None,
) -> tuple[str, int]:
    """Unpack the (compressed) layer ``stream`` into the empty ``directory``.

    ``lower``: see ``Extractor``. ``stop`` is called for each entry and may raise to end the work.

    Returns the digest of the uncompressed archive, which is the layer's diff id, and its size in bytes.

    Raises:
        BadArchive: the archive is damaged or above the bounds.
        OSError: the filesystem refused.
    """
    reader = HashingReader(decompress(stream))
    with Root(directory) as root:
        Extractor(root, lower, owners=os.geteuid() == 0 and userns.mapped_ids() != 1, stop=stop).run(reader)
    return reader.finish(), reader.size
