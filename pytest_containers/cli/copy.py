"""``cp``: files from and to containers, as tar archives through the engine.

Where a copy lands is docker's rule (moby/pkg/archive/copy.go, ``PrepareArchiveCopy``): into a directory that is there,
else in place of what the destination names; ``DIR/.`` is what lies in the directory.
"""

from __future__ import annotations

import os
import stat
import sys
import tarfile
import threading
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, NamedTuple, Self, cast

from pytest_containers.cli import engine, output
from pytest_containers.cli.values import UsageError
from pytest_containers.client.errors import NotFoundError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from pytest_containers.client import Client
    from pytest_containers.client.types import PathStat

_DIRECTORY, _LINK = 1 << 31, 1 << 27  # of Go's fs.FileMode, which PathStat has
_LINKS = 32
"""Symbolic links to follow one after the other: as many as anybody needs."""


class Place(NamedTuple):
    """One side of a copy; ``container`` is empty for this machine."""

    container: str
    path: str

    @property
    def is_contents(self) -> bool:
        """Whether what lies in the directory is meant."""
        return self.path == "." or self.path.endswith("/.")

    @property
    def name(self) -> str:
        """The name of the file or directory itself; empty for the root."""
        return PurePosixPath(os.path.normpath(self.path)).name


def place(text: str) -> Place:
    """Read ``CONTAINER:PATH`` or a path; one with a colon in it begins with ``/`` or ``.``."""
    container, colon, path = text.partition(":")
    return Place("", text) if not colon or text.startswith(("/", ".")) else Place(container, path)


def add_cp(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cp``."""
    add = parser.add_argument
    add("-a", "--archive", action="store_true", help="give the files to the container's user")
    add("-L", "--follow-link", action="store_true", help="copy what a symbolic link leads to")
    add("-q", "--quiet", action="store_true", default=not sys.stderr.isatty(), help="do not say how much was copied")
    add("source", metavar="SOURCE", type=place, help="CONTAINER:PATH, a path, or - for a tar archive on standard input")
    add("target", metavar="TARGET", type=place, help="CONTAINER:PATH, a path, or - for one on standard output")
    parser.set_defaults(handler=copy)


def copy(args: argparse.Namespace) -> int:
    """Copy, in the direction that the arguments say."""
    source, target = args.source, args.target
    if source.container and target.container:
        raise UsageError("copying between containers is not supported")
    if not source.container and not target.container:
        raise UsageError("must specify at least one container source")
    with engine.connect(args) as client:
        try:
            copied = _download(client, args) if source.container else _upload(client, args)
        except BrokenPipeError:  # of our own output
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise UsageError(f"{where}{error.strerror or error}") from None
        except tarfile.TarError as error:
            raise UsageError(f"the archive cannot be read: {error}") from None
    if not args.quiet and copied is not None:
        where = f"{target.container}:{target.path}" if target.container else target.path
        sys.stderr.write(f"Successfully copied {output.size(copied)} to {where}\n")
    return 0


# -- from a container


def _download(client: Client, args: argparse.Namespace) -> int | None:
    source = args.source
    if args.follow_link:
        source = source._replace(path=_followed(client, source)[0])
    if args.target.path == "-":
        if sys.stdout.isatty():
            raise UsageError("refusing to write a tar archive to a terminal")
        with client.containers.get_archive(source.container, source.path).stream as stream:
            for piece in stream:
                sys.stdout.buffer.write(piece)
        return None
    answer = client.containers.get_archive(source.container, source.path)
    with answer.stream as stream:
        base = local_target(args.target.path, args.source, is_directory=bool(answer.stat["mode"] & _DIRECTORY))
        pieces = _Pieces(stream)
        unpack(pieces, base)
    return pieces.count


def local_target(path: str, source: Place, *, is_directory: bool) -> Path:
    """Return the path that the source itself gets here; raises UsageError where it can have none."""
    target = Path(path)
    if target.is_dir():
        return target if source.is_contents else target / source.name
    if target.exists():
        if is_directory:
            raise UsageError(f"cannot copy directory {source.path!r} to {path!r}, which is none")
    elif not is_directory and path.endswith(("/", "/.")):
        raise UsageError(f"no such directory: {path!r}")
    elif not target.absolute().parent.is_dir():
        raise UsageError(f"invalid output path: directory {str(target.absolute().parent)!r} does not exist")
    return target.resolve() if target.is_symlink() else target


class _Pieces:
    """A stream of bytes as the file that tarfile reads."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""
        self.count: int = 0

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        parts = [self._rest]
        left = size - len(self._rest)
        while left > 0 and (piece := next(self._pieces, b"")):
            parts.append(piece)
            left -= len(piece)
        data = b"".join(parts)
        self._rest = data[size:]
        self.count += min(size, len(data))
        return data[:size]


def unpack(file: _Pieces | IO[bytes], base: Path) -> None:
    """Unpack an archive of one file or directory so that this is ``base``; everything belongs to who we are.

    Raises:
        UsageError: an entry leads out of ``base``: the container, which wrote the archive, is not to be trusted.
    """
    with tarfile.open(fileobj=cast("IO[bytes]", file), mode="r|") as archive:  # read() is all it takes
        # What is checked is all below; extractall's own filters take rights away from files.
        if hasattr(tarfile, "fully_trusted_filter"):  # from 3.11.4 on; before, nothing was filtered
            archive.extraction_filter = tarfile.fully_trusted_filter
        root = base.parent
        archive.extractall(root, members=_renamed(archive, base), numeric_owner=True)  # noqa: S202  # checked one by one


def _renamed(archive: tarfile.TarFile, base: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the entries with the name of the first, which is the thing itself, replaced by that of ``base``."""
    first: tuple[str, ...] | None = None
    for member in archive:
        parts = _parts(member.name)
        if first is None:
            first = parts
        member.name = _placed(parts, first, base)
        if member.islnk():
            member.linkname = _placed(_parts(member.linkname), first, base)
        _check_parents(base.parent, member.name)
        if not member.isdir() and (base.parent / member.name).is_dir():
            raise UsageError(f"cannot overwrite directory {str(base.parent / member.name)!r} with a file")
        member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
        yield member


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    if ".." in parts:
        raise UsageError(f"the archive's entry {name!r} leads out of it")
    return parts


def _placed(parts: tuple[str, ...], first: tuple[str, ...], base: Path) -> str:
    if parts[: len(first)] != first:
        raise UsageError(f"the archive's entry {'/'.join(parts)!r} is not part of what was asked for")
    return "/".join((base.name, *parts[len(first) :]))


def _check_parents(root: Path, name: str) -> None:
    """No directory on the way to an entry may be a symbolic link: it could lead anywhere."""
    path = root
    for part in name.split("/")[:-1]:
        path /= part
        if path.is_symlink():
            raise UsageError(f"{str(path)!r} is a symbolic link: nothing is written through it")


# -- to a container


def _upload(client: Client, args: argparse.Namespace) -> int | None:
    target = args.target
    path, found = _followed(client, target)
    is_directory = found is not None and bool(found["mode"] & _DIRECTORY)
    if args.source.path == "-":
        if not is_directory:
            raise UsageError(f'destination "{target.container}:{target.path}" must be a directory')
        client.containers.put_archive(target.container, path, sys.stdin.buffer, copy_uid_gid=args.archive)
        return None
    local = Path(args.source.path)
    if args.follow_link or args.source.path.endswith(("/", "/.")):
        local = local.resolve(strict=True)
    from_directory = stat.S_ISDIR(local.lstat().st_mode)
    if is_directory:
        directory = path
        name = "." if args.source.is_contents else args.source.name or local.resolve().name or "."
    else:
        if found and from_directory:
            raise UsageError(f"cannot copy directory {args.source.path!r} to {target.path!r}, which is none")
        if not found and not from_directory and target.path.endswith(("/", "/.")):
            raise UsageError(f"no such directory: {target.path!r}")
        directory, name = os.path.split(os.path.normpath(path))
    with _Packed(local, name) as packed:
        client.containers.put_archive(
            target.container,
            directory or "/",
            cast("IO[bytes]", packed),
            no_overwrite_dir_non_dir=True,
            copy_uid_gid=args.archive,
        )
    return packed.count


def _followed(client: Client, at: Place) -> tuple[str, PathStat | None]:
    """Return what a path leads to when it is a symbolic link, and its status; None where there is nothing."""
    path = at.path or "/"
    for _ in range(_LINKS):
        try:
            found = client.containers.stat_path(at.container, path)
        except NotFoundError:
            return path, None
        if not found["mode"] & _LINK:
            return path, found
        path = os.path.join(os.path.dirname(os.path.normpath(path)), found["linkTarget"])  # noqa: PTH118, PTH120  # not of this machine
    raise UsageError(f"too many symbolic links in {at.path!r}")


class _Packed:
    """An archive of a file or directory, made by a thread while it is read."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._problem: Exception | None = None
        self.count: int = 0

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        self._file = os.fdopen(reading, "rb")
        self._thread = threading.Thread(target=self._pack, args=(os.fdopen(writing, "wb"),), name="pack")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # a writer that is still at it gets EPIPE
        self._thread.join()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; the packer's problem where it had one, so that half an archive is never a whole."""
        data = self._file.read(size)
        self.count += len(data)
        if not data:
            self._thread.join()
            if self._problem:
                raise self._problem
        return data

    def _pack(self, file: IO[bytes]) -> None:
        try:
            with file, tarfile.open(fileobj=file, mode="w|") as archive:
                archive.add(self._path, arcname=self._name)
        except (OSError, tarfile.TarError) as error:
            self._problem = error
