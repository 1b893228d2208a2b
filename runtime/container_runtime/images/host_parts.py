"""The image ``host`` for an ordinary user: the machine's top directories, each an overlay of its own.

One overlay over ``/`` is refused in a user namespace (EINVAL: what is mounted below is locked together with it,
mount_namespaces(7)). So the root is a small directory made here, with the machine's links and empty mount points, and
each of the machine's directories that has nothing mounted below is laid over its place. Where something is mounted
below, the directories in it are taken one by one, or copied where they are small (/etc in a container, in which
three files are mounted).

Root's directories are nobody's in the namespace, so nothing could be made in them. Above each part lies a *skeleton*:
the same directories, empty and owned by the user, as far as programs are likely to write there. What is hidden
(``host.plan``) is hidden there too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.errors import EngineError
from container_runtime.images import host
from container_runtime.images.files import opaque_attribute, remove_tree, storage_errors
from container_runtime.kernel import userns
from container_runtime.state.paths import private_directory, runtime_home

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_FORMAT = 2  # to be raised when a skeleton made by an earlier version would not do
_EMPTY = {"proc": 0o555, "sys": 0o555, "dev": 0o755, "run": 0o755, "tmp": 0o1777, "lost+found": 0o700}
# How deep below a top directory programs may make files: all of /etc and /var is worth it, /usr is large.
_DEPTH = {"etc": 8, "var": 6, "usr": 2, "srv": 2, "opt": 2, "mnt": 1, "media": 1}
# Files of root that programs change when they are set up in a container: the user gets copies of his own.
_COPIED = ("/etc/passwd", "/etc/group")
_MOST_DIRECTORIES = 3000
_SMALL = 4000, 32 << 20  # files and bytes of a directory that is copied
_LARGEST = 1 << 20  # bytes of a file that is copied because it lies beside a mount


class Part(NamedTuple):
    """One overlay: where it is mounted, and its lower directories, the uppermost first."""

    destination: str
    lower: tuple[str, ...]


def parts(own: tuple[Path, ...]) -> list[Part]:
    """The overlays of a container's root, in the order of mounting; ``own`` are directories of this engine.

    Raises:
        EngineError: there is no place for the skeleton, or the filesystem refused.
    """
    entries = host.plan(own)
    points = mount_points()
    where = directories(points)
    base = place()
    path = base / f"host-{_key(entries, where)}"
    if not path.is_dir():
        made = base / f".{path.name}-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            with storage_errors("the skeleton of image host", base):
                made.mkdir(mode=0o755)
                _build(made, entries, where, points)
                try:
                    made.rename(path)
                except OSError:  # another engine has made the same in the meantime
                    if not path.is_dir():
                        raise
        finally:
            remove_tree(made)
    found = [Part("/", (str(path / "root"),))]
    return found + [Part(one, (f"{path}/over{one}", one)) for one in where]


def whole(found: Sequence[Part]) -> tuple[str, ...]:
    """The directories, top first, that together are what the overlays of ``parts`` show.

    The kernel refuses them as one overlay (see above); a program that serves it (fuse-overlayfs) is not told by the
    kernel where something is mounted.
    """
    root = Path(found[0].lower[0])
    return (str(root.parent / "over"), str(root), "/")


def _key(entries: dict[str, host.Hidden], where: list[str]) -> str:
    top = sorted((entry.name, entry.is_symlink() and str(Path(entry.path).readlink())) for entry in os.scandir("/"))
    copied = [Path(path).stat().st_mtime_ns for path in _COPIED]
    content = json.dumps([_FORMAT, sorted(entries.items()), where, top, userns.mapped_ids() > 1, copied])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def place() -> Path:
    """A directory outside of all parts, on a filesystem with attributes of users."""
    root = Path("/").stat().st_dev
    shared_memory = Path(f"/dev/shm/pytest-containers-{userns.outer_user()}")  # noqa: S108  private_directory checks
    for candidate in (runtime_home, lambda: private_directory(shared_memory)):
        with suppress(EngineError, OSError):
            path = candidate()
            if path.stat().st_dev == root and not str(path).startswith("/tmp/"):  # noqa: S108  not a part
                continue
            probe = path / f".probe-{os.getpid()}-{os.urandom(4).hex()}"
            probe.mkdir()
            try:
                os.setxattr(probe, opaque_attribute(), b"y")
                os.mknod(probe / "whiteout", stat.S_IFCHR, os.makedev(0, 0))  # overlay itself refuses those
            finally:
                remove_tree(probe)
            return path
    raise EngineError(
        "the image host needs a directory with extended attributes outside of the machine's own directories, and "
        f"neither {runtime_home()} nor /dev/shm is one: set XDG_RUNTIME_DIR to one on ext4, xfs or a recent tmpfs"
    )


def mount_points() -> list[str]:
    """All mount points of this namespace."""
    lines = Path("/proc/self/mountinfo").read_bytes().decode("utf-8", "surrogateescape").splitlines()
    return [line.split(" ")[4].replace("\\040", " ") for line in lines]


def directories(points: Iterable[str], top: str = "/") -> list[str]:
    """The directories that become parts: those of ``top`` without mounts below, else what is in them in the same way.

    Where only files are mounted below, as a container's /etc/hosts, and the directory is small, it is copied instead.
    """
    found: list[str] = []
    for entry in sorted(os.scandir(top), key=lambda each: each.name):
        path = entry.path
        if not entry.is_dir(follow_symlinks=False) or (top == "/" and entry.name in _EMPTY):
            continue
        if not os.access(path, os.R_OK | os.X_OK):
            continue
        below = _below(points, path)
        if not below:
            found.append(path)
        elif not _is_copied(path, below):
            found += directories(points, path)
    return found


def _below(points: Iterable[str], path: str) -> list[str]:
    return [point for point in points if point.startswith(path + "/")]


def _is_copied(path: str, below: list[str]) -> bool:
    return not any(os.path.isdir(point) for point in below) and _is_small(path)  # noqa: PTH112


def _is_small(path: str) -> bool:
    files, size = 0, 0
    for directory, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                size += os.lstat(f"{directory}/{name}").st_size
        files += len(names)
        if files > _SMALL[0] or size > _SMALL[1]:
            return False
    return True


def _build(made: Path, entries: dict[str, host.Hidden], where: list[str], points: list[str]) -> None:
    root, over = made / "root", made / "over"
    root.mkdir(mode=0o755)
    over.mkdir(mode=0o755)
    for entry in os.scandir("/"):
        _imitate(entry, root / entry.name)
    for path in where:
        (over / path[1:]).mkdir(mode=0o755, parents=True)
        (root / path[1:]).mkdir(mode=0o755, parents=True, exist_ok=True)
    for path in sorted(entry.path for entry in os.scandir("/")):
        below = _below(points, path)
        if path not in where and below and path[1:] not in _EMPTY:
            with suppress(PermissionError):  # what the user may not look into is not there for his containers either
                _fill(path, root, where, points, whole=_is_copied(path, below))
    for path in itertools.islice(_writable(where), _MOST_DIRECTORIES):
        (over / path[1:]).mkdir(mode=_mode(path), parents=True, exist_ok=True)
    for path in _COPIED:
        if any(path.startswith(f"{one}/") for one in where):
            shutil.copy(path, over / path[1:])
    # Outside of parts too, for who lays the skeleton over the whole of "/" (``whole``).
    for path, hidden in sorted({**entries, **_closed()}.items()):
        _hide(over / path, hidden)


def _closed() -> dict[str, host.Hidden]:
    """The top directories that are empty in containers, or that the user may not look into."""
    found = {name: host.Hidden("empty", mode) for name, mode in _EMPTY.items()}
    for entry in os.scandir("/"):
        if entry.is_dir(follow_symlinks=False) and not os.access(entry.path, os.R_OK | os.X_OK):
            found[entry.name] = host.Hidden("empty", 0o755)
    return found


def _mode(path: str) -> int:
    try:
        return stat.S_IMODE(os.lstat(path).st_mode) | 0o700
    except OSError:
        return 0o755


def _imitate(entry: os.DirEntry[str], target: Path) -> None:
    if entry.is_symlink():
        target.symlink_to(Path(entry.path).readlink())
    elif entry.is_dir(follow_symlinks=False):
        target.mkdir()
        target.chmod(_EMPTY.get(entry.name, 0o755))


def _fill(path: str, root: Path, where: list[str], points: list[str], *, whole: bool) -> None:
    """What lies in a directory that is no part: links and files are copied; directories with mounts in them likewise.

    ``whole``: all directories, to the bottom; it was seen to be small.
    """
    for entry in os.scandir(path):
        target = root / entry.path[1:]
        if entry.path in where:
            continue
        with suppress(OSError):  # what the user may not read, or what is neither file nor directory
            if entry.is_symlink():
                target.symlink_to(Path(entry.path).readlink())
            elif entry.is_dir(follow_symlinks=False):
                target.mkdir(mode=0o755, exist_ok=True)
                below = _below(points, entry.path)
                if whole or below:
                    _fill(entry.path, root, where, points, whole=whole or _is_copied(entry.path, below))
            elif entry.is_file(follow_symlinks=False) and (whole or entry.stat().st_size <= _LARGEST):
                shutil.copy(entry.path, target, follow_symlinks=False)


def _writable(where: list[str]) -> Iterator[str]:
    """Directories that get an owner, a level at a time, so that the uppermost are there in any case."""
    level = [(path, _DEPTH.get(path.split("/")[1], 1) - path.count("/")) for path in where]
    while level:
        below: list[tuple[str, int]] = []
        for path, depth in level:
            yield path
            if depth < 0:
                continue
            with suppress(OSError):
                below += [(entry.path, depth - 1) for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
        level = below


def _hide(path: Path, hidden: host.Hidden) -> None:
    if hidden.kind == "absent":
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
        return
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    if hidden.kind == "empty":
        path.chmod(hidden.mode or 0o755)
        os.setxattr(path, opaque_attribute(), b"y")
