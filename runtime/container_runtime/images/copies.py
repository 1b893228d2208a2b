"""An image's files in one plain directory: its layers merged as overlayfs would show them, and copied.

Where the filesystem can share blocks between files (btrfs, xfs), copy_file_range(2) does that instead of copying.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from container_runtime.images.files import opaque_attribute, remove_tree
from container_runtime.images.merged import MergedView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CHUNK = 1 << 30  # bytes; the kernel takes at most 2 GB at once
_CANNOT = frozenset({errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM})  # copy_file_range(2)
_OF_FUSE = ("user.fuseoverlayfs.opaque",)
_OVERLAY = ("trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.")  # attributes that are about layers


def copy_merged(directories: Sequence[str], target: Path) -> None:
    """Make ``target`` with what ``lowerdir=`` of these directories, top first, would show; whole, or not there.

    Owners, modes, times, attributes and hard links are as in the layers.

    Raises:
        OSError: the filesystem refused; nothing is left.
    """
    made = target.with_name(f".{target.name}-{os.urandom(4).hex()}")
    made.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        _Copier().tree(list(directories), str(made))
        made.chmod(0o755)  # of an overlay, the mode of the root is that of the writable layer
        made.rename(target)
    except BaseException:
        remove_tree(made)
        raise


def move_layer(source: Path, target: Path) -> None:
    """Have a layer at ``target``, on whatever filesystem: what overlayfs marks in it (whiteouts, opaque) included.

    Raises:
        OSError: the filesystem refused; ``source`` is there still.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _Copier(layer=True).tree([str(source)], str(target))
        remove_tree(source)


def fill(
    directories: Sequence[str], path: str, target: Path, *, most: int = 0, owner: Callable[[int], int] = int
) -> None:
    """Copy what is in the directory ``path`` of an image, whose layers are given as above, into the empty ``target``.

    ``target`` gets the directory's owner and mode too. Nothing happens where the image has nothing there. With
    ``most``, the tree is that of a living machine: at most so many bytes are copied, what may not be read or is on
    another filesystem is left out. ``owner`` says as whose an id is written.

    Raises:
        NotADirectoryError: the image has something else there.
        OSError: the filesystem refused; EFBIG where it is more than ``most``. What was made is removed again.
    """
    with MergedView(tuple(directories)).directory(path) as parts:
        if parts is None:
            return
        try:
            _Copier(most=most, owner=owner).tree(parts, str(target), made_already=True)
        except BaseException:
            for entry in target.iterdir():
                remove_tree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            raise


class _Copier:
    def __init__(self, *, most: int = 0, owner: Callable[[int], int] = int, layer: bool = False) -> None:
        """``layer``: marks of overlayfs are copied as they are."""
        self._layer = layer
        self._left, self._living, self._owner = most, most > 0, owner
        self._gone = (FileNotFoundError,) if most > 0 else ()  # while it was looked at
        self._links: dict[tuple[int, int], str] = {}  # of files with several names: device and inode, the first copy

    def tree(self, parts: list[str], target: str, *, made_already: bool = False) -> None:
        """A directory and all below it; ``parts`` are what layers have of it, top first."""
        devices = {os.stat(part).st_dev for part in parts} if self._living else set[int]()  # noqa: PTH116
        waiting = [(parts, target)]
        made: list[tuple[str, str]] = []
        while waiting:
            parts, target = waiting.pop()
            if made or not made_already:
                Path(target).mkdir(mode=0o700)
            made.append((parts[0], target))
            for name, found in self._entries(parts, devices).items():
                path = f"{target}/{name}"
                with suppress(*self._gone):
                    if stat.S_ISDIR(os.lstat(found[0]).st_mode):
                        waiting.append((found, path))
                    else:
                        self._other(found[0], path)
        for source, directory in reversed(made):  # last, since what is made in a directory changes its times
            with suppress(*self._gone):
                self._describe(source, directory)

    def _entries(self, parts: list[str], devices: set[int]) -> dict[str, list[str]]:
        if self._layer:
            return {entry.name: [entry.path] for entry in os.scandir(parts[0])}
        if not self._living:
            return _merge(parts)
        with suppress(*self._gone):
            readable = [part for part in parts if os.access(part, os.R_OK | os.X_OK)]
            found = _merge([part for part in readable if os.stat(part).st_dev in devices])  # noqa: PTH116
            return {name: paths for name, paths in found.items() if self._is_taken(paths[0])}
        return {}

    def _is_taken(self, path: str) -> bool:
        """Of a living machine: no sockets, nothing that is just going or may not be read, and not too much."""
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return False
        if stat.S_ISREG(status.st_mode):
            if not os.access(path, os.R_OK):
                return False
            self._left -= status.st_size
            if self._left < 0:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return not stat.S_ISSOCK(status.st_mode)

    def _other(self, source: str, target: str) -> None:
        status = os.lstat(source)
        if status.st_nlink > 1:
            known = self._links.setdefault((status.st_dev, status.st_ino), target)
            if known != target:
                os.link(known, target, follow_symlinks=False)
                return
        if stat.S_ISLNK(status.st_mode):
            Path(target).symlink_to(Path(source).readlink())
        elif stat.S_ISREG(status.st_mode):
            _copy_file(source, target, status.st_size)
        else:
            os.mknod(target, status.st_mode, status.st_rdev)
        self._describe(source, target)

    def _describe(self, source: str, target: str) -> None:
        status = os.lstat(source)
        os.chown(target, self._owner(status.st_uid), self._owner(status.st_gid), follow_symlinks=False)
        _describe(source, target, status, (opaque_attribute(), *_OF_FUSE) if self._layer else ())


def _merge(parts: list[str]) -> dict[str, list[str]]:
    """The names in a directory; of each the path in the topmost layer, of a directory those below that show through."""
    found: dict[str, list[str]] = {}
    closed: set[str] = set()  # names of which nothing shows of the layers further below
    for part in parts:
        for entry in os.scandir(part):
            if entry.name in closed:
                continue
            status = entry.stat(follow_symlinks=False)
            is_directory = stat.S_ISDIR(status.st_mode)
            if not is_directory or _is_opaque(entry.path):
                closed.add(entry.name)
            if is_directory or (entry.name not in found and not _is_whiteout(status)):
                found.setdefault(entry.name, []).append(entry.path)
    return found


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(path: str) -> bool:
    try:
        return os.getxattr(path, opaque_attribute(), follow_symlinks=False) == b"y"
    except OSError:
        return False


def _copy_file(source: str, target: str, size: int) -> None:
    with Path(source).open("rb") as reading, Path(target).open("xb") as writing:
        done = 0
        try:
            while done < size:
                count = os.copy_file_range(reading.fileno(), writing.fileno(), min(_CHUNK, size - done))
                if count == 0:
                    break
                done += count
        except OSError as error:
            if done or error.errno not in _CANNOT:
                raise
            shutil.copyfileobj(reading, writing)


def _describe(source: str, target: str, status: os.stat_result, marks: Sequence[str]) -> None:
    """Mode, attributes and times; chown(2) takes capabilities and set-user-id away, so it came before."""
    if not stat.S_ISLNK(status.st_mode):
        Path(target).chmod(stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source, follow_symlinks=False):
        if not name.startswith(_OVERLAY) or name in marks:
            with suppress(OSError):  # one that only the machine's root may set, or that the filesystem has not
                os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
