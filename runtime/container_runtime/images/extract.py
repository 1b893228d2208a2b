"""A layer's tar archive becomes a directory that overlayfs can use as a lower layer.

Deletions are translated from the archive's form (``.wh.name``, ``.wh..wh..opq``; OCI image specification, "Whiteouts")
to overlayfs's (a character device 0:0, an attribute of the directory; overlayfs.rst, "whiteouts and opaque
directories"). How entries become files is in ``unpack``.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING, Final

from container_runtime.images.files import opaque_attribute
from container_runtime.images.tarstream import HashingReader, decompress
from container_runtime.images.unpack import Unpacker, lstat_in
from container_runtime.kernel import userns
from container_runtime.kernel.openat2 import Root

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable
    from pathlib import Path
    from typing import IO

_WHITEOUT: Final = ".wh."
_OPAQUE_MARK: Final = ".wh..wh..opq"
_AUFS_OWN: Final = ".wh..wh."  # .wh..wh.aufs, .wh..wh.plnk: aufs's own book-keeping, never part of an image


class LayerUnpacker(Unpacker):
    """Unpacks one layer into one directory.

    ``lower``: gives the status of a path in the layers below, or None; a parent directory that the archive does not
    mention gets owner and mode from there, because the upper layer's are the ones that count.
    """

    def __init__(
        self, root: Root, lower: Callable[[str], os.stat_result | None], *, owners: bool, stop: Callable[[], None]
    ) -> None:
        super().__init__(root, owners=owners, stop=stop)
        self._lower = lower

    def top(self, member: tarfile.TarInfo) -> None:
        """The layer's root, "./"."""
        self.directory_metadata(self.root.descriptor, ".", "", member)

    def is_special(self, parent: int, name: str) -> bool:
        """Whiteouts."""
        if name.startswith(_WHITEOUT):
            self._whiteout(parent, name)
            return True
        return False

    def imply(self, parent: int, name: str, path: str) -> None:
        """A directory that the archive needs and does not mention."""
        opaque = False
        if _is_whiteout(lstat_in(parent, name)):
            os.unlink(name, dir_fd=parent)
            opaque = True
        os.mkdir(name, 0o755, dir_fd=parent)
        below = None if opaque else self._lower(path)
        if below is not None and stat.S_ISDIR(below.st_mode):
            if self.owners:
                os.chown(name, below.st_uid, below.st_gid, dir_fd=parent, follow_symlinks=False)
            os.chmod(name, stat.S_IMODE(below.st_mode), dir_fd=parent)
        if opaque:
            self._mark_opaque(parent, name)

    # What is there already

    def make_way(self, parent: int, name: str, member: tarfile.TarInfo) -> bool:
        """Remove what an entry replaces. True where the layers below must not show through a new directory."""
        status = lstat_in(parent, name)
        if status is None:
            return False
        if stat.S_ISDIR(status.st_mode):
            if not member.isdir():
                shutil.rmtree(name, dir_fd=parent)
            return False
        os.unlink(name, dir_fd=parent)
        return _is_whiteout(status)

    def made_directory(self, parent: int, name: str, *, opaque: bool) -> None:
        """In the place of a whiteout: the layers below must not show through."""
        if opaque:
            self._mark_opaque(parent, name)

    def _whiteout(self, parent: int, mark: str) -> None:
        if mark == _OPAQUE_MARK:
            self._mark_opaque(parent, ".")
            return
        name = mark.removeprefix(_WHITEOUT)
        if mark.startswith(_AUFS_OWN) or name in {"", ".", ".."}:
            return
        status = lstat_in(parent, name)
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


def _is_whiteout(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def extract_layer(
    stream: IO[bytes],
    directory: Path,
    *,
    lower: Callable[[str], os.stat_result | None] = lambda _: None,
    stop: Callable[[], None] = lambda: None,
) -> tuple[str, int]:
    """Unpack the (compressed) layer ``stream`` into the empty ``directory``.

    ``lower``: see ``LayerUnpacker``. ``stop`` is called for each entry and may raise to end the work.

    Returns the digest of the uncompressed archive, which is the layer's diff id, and its size in bytes.

    Raises:
        BadArchive: the archive is damaged or above the bounds.
        OSError: the filesystem refused.
    """
    reader = HashingReader(decompress(stream))
    with Root(directory) as root:
        LayerUnpacker(root, lower, owners=os.geteuid() == 0 and userns.mapped_ids() != 1, stop=stop).run(reader)
    return reader.finish(), reader.size
