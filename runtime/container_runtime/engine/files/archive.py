"""``docker cp`` and ``docker export``: what a path is, a tree as an archive, an archive into a directory."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from container_runtime.engine.files import paths, unpacking, view
from container_runtime.engine.files.packing import Packer
from container_runtime.engine.files.session import opened
from container_runtime.engine.files.transfer import Download, Upload, in_thread
from container_runtime.engine.request import users
from container_runtime.errors import EngineError, InvalidParameter, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.kernel.openat2 import Root

_ACCOUNTS_LIMIT = 1 << 20  # bytes of a passwd file
# Go's fs.FileMode: the type's bits; the last nine are the permissions.
_GO_TYPES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_BITS = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))


def go_mode(mode: int) -> int:
    """A mode of stat(2) as Go writes it."""
    found = mode & 0o777 | _GO_TYPES.get(stat.S_IFMT(mode), 0)
    for bit, go in _GO_BITS:
        found |= go if mode & bit else 0
    return found


def _rfc3339(nanoseconds: int) -> str:
    """A time as Go's JSON has it: UTC, no zeros at the end of the fraction."""
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"


def _missing(path: str, name: str) -> NotFound:
    return NotFound(f"Could not find the file {path} in container {name}")


def _open_path(root: Root, path: str, name: str, *, follow: bool = False) -> int:
    """An O_PATH descriptor of ``path`` (absolute, a slash or dot at its end counts); the last link not followed.

    Raises:
        NotFound: it is not there.
        EngineError: something on its way is no directory, or a loop.
    """
    try:
        return root.open(path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise _missing(path, name) from None
        reason = os.strerror(error.errno or errno.EIO).lower()
        raise EngineError(f"lstat {path}: {reason}") from None


def _status(root: Root, descriptor: int, path: str, shown: str) -> dict[str, Any]:
    """Docker's ContainerPathStat of what ``descriptor`` is."""
    status = os.fstat(descriptor)
    target = ""
    if stat.S_ISLNK(status.st_mode):
        target = paths.link_target(path, lambda one: _readlink(root, one))
    return {
        "name": paths.base(shown),
        "size": status.st_size,
        "mode": go_mode(status.st_mode),
        "mtime": _rfc3339(status.st_mtime_ns),
        "linkTarget": target,
    }


def _readlink(root: Root, path: str) -> str | None:
    try:
        descriptor = root.open(path, os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return os.readlink("", dir_fd=descriptor) if stat.S_ISLNK(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


async def stat_path(engine: Engine, container: Container, path: str, name: str) -> dict[str, Any]:
    """What ``path`` is; ``name`` is what the client calls the container.

    Raises:
        NotFound: it is not there.
        EngineError: it cannot be looked at.
    """
    absolute = paths.absolute(path)

    def look() -> dict[str, Any] | None:
        glimpse = view.glimpse(container, absolute)
        if glimpse is None:
            return None
        root, descriptor = glimpse
        with root:
            try:
                return _status(root, descriptor, absolute, path)
            finally:
                os.close(descriptor)

    def search(root: Root) -> dict[str, Any]:
        descriptor = _open_path(root, absolute, name)
        try:
            return _status(root, descriptor, absolute, path)
        finally:
            os.close(descriptor)

    status = await in_thread(look)  # one thread: a filesystem may take its time
    if status is None:
        async with opened(engine, container) as found:
            status = await in_thread(lambda: search(found.root))
    return status


@asynccontextmanager
async def _located(engine: Engine, container: Container, path: str, name: str) -> AsyncGenerator[tuple[Root, int]]:
    """A root of the container's files, and ``path`` in it as an O_PATH descriptor.

    The root is of a view (``opened``) for all but regular files that can be had without.
    """
    glimpse = await in_thread(lambda: view.glimpse(container, path, regular=True))
    if glimpse is not None:
        root, descriptor = glimpse
        with root:
            try:
                yield root, descriptor
            finally:
                os.close(descriptor)
        return
    async with opened(engine, container) as found:
        descriptor = await in_thread(lambda: _open_path(found.root, path, name))
        try:
            yield found.root, descriptor
        finally:
            os.close(descriptor)


@asynccontextmanager
async def read(
    engine: Engine, container: Container, path: str, name: str
) -> AsyncGenerator[tuple[dict[str, Any], AsyncIterator[bytes]]]:
    """What ``path`` is, and an archive of it in pieces. Errors as ``stat_path``'s."""
    absolute = paths.absolute(path)
    async with _located(engine, container, absolute, name) as (root, descriptor):
        status = _status(root, descriptor, absolute, absolute)
        shown = paths.base(absolute)
        work = _tree(descriptor, shown) if stat.S_ISDIR(os.fstat(descriptor).st_mode) else _one(descriptor, shown)
        async with aclosing(_download(work)) as pieces:
            container.publish(engine.events, "archive-path")
            yield status, pieces


def _tree(top: int, name: str) -> Callable[[Packer], None]:
    return lambda packer: packer.tree(top, name)


def _one(descriptor: int, name: str) -> Callable[[Packer], None]:
    return lambda packer: packer.file(descriptor, name)


async def _download(pack: Callable[[Packer], None]) -> AsyncGenerator[bytes]:
    """The archive that ``pack`` makes."""

    def work(write: Callable[[bytes], None]) -> None:
        packer = Packer(write)
        pack(packer)
        packer.finish()

    download = Download(work)
    try:
        async with aclosing(download.chunks()) as pieces:
            async for piece in pieces:
                yield piece
    finally:
        await download.close()


@asynccontextmanager
async def export(engine: Engine, container: Container) -> AsyncGenerator[AsyncIterator[bytes]]:
    """The root filesystem as an archive in pieces, without what is mounted in it.

    Raises:
        Conflict: the container is being removed.
    """
    async with (
        opened(engine, container, bare=True) as found,
        aclosing(_download(_tree(found.root.descriptor, ""))) as pieces,
    ):
        container.publish(engine.events, "export")
        yield pieces


async def write(
    engine: Engine,
    container: Container,
    path: str,
    name: str,
    data: AsyncIterator[bytes],
    *,
    keep_kinds: bool,
    to_user: bool,
) -> None:
    """Unpack the archive ``data`` in the directory ``path``; see ``unpacking.Options``. ``to_user``: copyUIDGID.

    Raises:
        NotFound: there is no such directory.
        InvalidParameter: it is none, or may not be written.
        EngineError: the archive is damaged, or its files could not be made.
    """
    async with opened(engine, container) as found:
        where = await in_thread(lambda: _directory(found.root, path, name))
        _check_writable(container, where)
        owner = await in_thread(lambda: _owner(found.root, container)) if to_user else None
        options = unpacking.Options(where, keep_kinds=keep_kinds, owner=owner)
        upload = Upload(lambda stream: unpacking.unpack(stream, found.root, options, str(_missing(path, name))))
        try:
            await upload.feed(data)
            await upload.finish()
        finally:
            await upload.close()
    container.publish(engine.events, "extract-to-dir")


def _directory(root: Root, path: str, name: str) -> str:
    """The directory's path without links.

    Raises:
        NotFound, InvalidParameter: it is not there, or no directory.
    """
    absolute = paths.clean(path)
    descriptor = _open_path(root, absolute, name, follow=True)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise InvalidParameter("extraction point is not a directory")
    finally:
        os.close(descriptor)
    return paths.link_target(absolute, lambda one: _readlink(root, one))


def _check_writable(container: Container, where: str) -> None:
    """As moby's checkWritablePath: of volumes their own say counts, elsewhere the root's."""
    for place in view.places(container):
        if paths.is_below(where, place.destination):
            if place.readonly:
                raise InvalidParameter("mounted volume is marked read-only")
            return
    if container.host.get("ReadonlyRootfs"):
        raise InvalidParameter("container rootfs is marked read-only")


def _owner(root: Root, container: Container) -> tuple[int, int] | None:
    """The container's user and its group; None where it has none of its own."""
    wanted = container.body.get("User") or container.image.config.get("User") or ""
    if not wanted:
        return None
    files: list[bytes | None] = []
    for path in ("etc/passwd", "etc/group"):
        try:
            files.append(root.read(path, _ACCOUNTS_LIMIT))
        except (OSError, ValueError):
            files.append(None)
    user = users.resolve(wanted, files[0], files[1])
    return user.uid, user.gid
