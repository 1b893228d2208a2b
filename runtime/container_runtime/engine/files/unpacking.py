"""An uploaded archive becomes files in a directory of a container, by the rules of moby's ``go-archive``.

What is there is replaced; a directory is merged with one. Names may not lead out of the directory that is unpacked
into; links may lead anywhere, since each is resolved in the container's root when it is used.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from container_runtime.errors import EngineError, NotFound
from container_runtime.images.tarstream import BadArchive, CountingReader, Prefixed, decompress
from container_runtime.images.unpack import MissingTarget, Unpacker, lstat_in
from container_runtime.kernel import userns

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable

    from container_runtime.kernel.openat2 import Root


class Options(NamedTuple):
    """How to unpack."""

    directory: str
    """Where: a clean absolute path of the container, which is there and is a directory."""
    keep_kinds: bool = False
    """Docker's noOverwriteDirNonDir: a directory is replaced by nothing else, and nothing else by a directory."""
    owner: tuple[int, int] | None = None
    """Whose the files become; None: whose the archive says."""


class ContainerUnpacker(Unpacker):
    """Unpacks below ``options.directory`` of the root."""

    def __init__(self, root: Root, options: Options, *, owners: bool, stop: Callable[[], None]) -> None:
        super().__init__(root, owners=owners, stop=stop)
        self._options = options
        self._base = options.directory.strip("/")

    def place(self, name: str) -> str:
        """Below the directory.

        Raises:
            BadArchive: the name leads out of it.
        """
        inside = _inside(name)
        if inside is None:
            raise BadArchive(f'invalid entry name "{name}"')
        return posixpath.join(self._base, inside) if inside else self._base

    def link_place(self, name: str) -> str:
        """What a hard link leads to: below the directory likewise."""
        inside = _inside(name)
        if inside is None:
            raise BadArchive(f'invalid hardlink target "{name}"')
        return posixpath.join(self._base, inside)

    def top(self, member: tarfile.TarInfo) -> None:
        """The directory is there already, and stays as it is."""
        del member

    def make_way(self, parent: int, name: str, member: tarfile.TarInfo) -> bool:
        """Remove what is there, unless both are directories."""
        status = lstat_in(parent, name)
        if status is None:
            return False
        there, comes = stat.S_ISDIR(status.st_mode), member.isdir()
        if self._options.keep_kinds and there is not comes:
            kinds = ("directory", "non-directory") if there else ("non-directory", "directory")
            raise BadArchive(f'cannot overwrite {kinds[0]} "{member.name}" with {kinds[1]} "{self._options.directory}"')
        if there and not comes:
            shutil.rmtree(name, dir_fd=parent)
        elif not there:
            os.unlink(name, dir_fd=parent)
        return False

    def imply(self, parent: int, name: str, path: str) -> None:
        """Root's, and open to all."""
        del path
        os.mkdir(name, 0o755, dir_fd=parent)
        if self._options.owner is not None and self.owners:
            os.chown(name, *self._options.owner, dir_fd=parent, follow_symlinks=False)

    def owner(self, member: tarfile.TarInfo) -> tuple[int, int]:
        """The archive's, unless somebody's was asked for."""
        return self._options.owner or (member.uid, member.gid)

    def unknown(self, member: tarfile.TarInfo) -> None:
        """moby refuses what it does not know, and says its number."""
        raise BadArchive(f"unhandled tar header type {member.type[0]}")


def _inside(name: str) -> str | None:
    """The cleaned name below a directory, "" for the directory itself; None where it leads out."""
    absolute = name.startswith("/")
    cleaned = posixpath.normpath(name).lstrip("/")
    if not absolute and (cleaned == ".." or cleaned.startswith("../")):
        return None
    while cleaned.startswith("../"):
        cleaned = cleaned[3:]
    return "" if cleaned in {".", ".."} else cleaned


def _never() -> None:
    """An upload is stopped by its end."""


def unpack(stream: IO[bytes], root: Root, options: Options, missing: str) -> None:
    """Unpack ``stream`` (tar, plain or packed by gzip, bzip2, xz or zstd); nothing happens where it is empty.

    ``missing`` is the message where a hard link leads to nothing.

    Raises:
        EngineError: the archive is damaged or asks for what must not be, or the filesystem refused.
        NotFound: a hard link to what is not there.
    """
    first = stream.read(1)
    if not first:
        return
    whole = cast("IO[bytes]", Prefixed(first, stream))
    owners = os.geteuid() == 0 and userns.mapped_ids() != 1
    try:
        reader = CountingReader(decompress(whole))
        ContainerUnpacker(root, options, owners=owners, stop=_never).run(reader)
    except MissingTarget:
        raise NotFound(missing) from None
    except BadArchive as error:
        raise EngineError(str(error)) from None  # 500, as Docker answers
    except OSError as error:
        raise EngineError(f"cannot unpack in {options.directory}: {error.strerror or error}") from None
