"""The directory of one run: its socket, its lock, and the ledger of what the kernel does not free by itself.

Whoever holds the lock owns the run. The descriptor is inherited by the launcher, so that the lock is free only when
both are gone; then, and only then, the next engine to start sweeps what the ledger names (``sweep``).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from container_runtime.errors import Conflict, EngineError
from container_runtime.kernel import userns
from container_runtime.state.paths import data_home, private_directory, runtime_home

_FILESYSTEMS_WITHOUT_UPPER = frozenset({"overlay", "nfs", "nfs4", "fuse", "9p"})
# overlay: EINVAL for an upper directory on overlay; the others lack what an upper layer needs (overlayfs.rst,
# "Upper and Lower").


def filesystem_of(path: Path) -> str:
    """The type of the filesystem that holds ``path``, as /proc/self/mountinfo names it."""
    wanted = os.fsencode(path.resolve())
    best, kind = -1, ""
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        left, _, right = line.partition(b" - ")
        # Space, tab, newline and backslash are octal escapes (proc_pid_mountinfo(5)).
        point = left.split(b" ")[4].replace(b"\\040", b" ").rstrip(b"/")
        if (wanted == point or wanted.startswith(point + b"/")) and len(point) >= best:
            best, kind = len(point), right.split(b" ")[0].decode()
    return kind


def _refuses_uppers(place: Path) -> bool:
    existing = next(parent for parent in (place, *place.parents) if os.path.exists(parent))  # noqa: PTH110  as below
    return filesystem_of(existing).partition(".")[0] in _FILESYSTEMS_WITHOUT_UPPER


class RunDirectory:
    """One run's directory below ``runtime_home()``, locked for as long as the run lives."""

    def __init__(self, path: Path, lock: int | None = None) -> None:
        """Take ``path`` (made where it is not there); ``lock`` is an inherited descriptor that holds its lock.

        Raises:
            Conflict: a living engine holds it.
        """
        self.path = private_directory(path)
        self.containers = path / "containers"
        self.containers.mkdir(mode=0o700, exist_ok=True)
        self.lock = self._take() if lock is None else lock
        self._ledger = os.open(path / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.places = self._places()
        self.strategy = "overlay"
        """How containers get their roots, one of ``roots.STRATEGIES``; decided by ``roots.settle``."""
        self.layers = Path()
        self.place_layers(0)

    @classmethod
    def create(cls) -> RunDirectory:
        """A new run directory under a name that nothing else has."""
        return cls(runtime_home() / f"run-{os.getpid()}-{os.urandom(3).hex()}")

    def _take(self) -> int:
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Conflict(f"another engine is running in {self.path}") from None
        return descriptor

    def _places(self) -> list[Path]:
        """Where writable layers may lie, those that overlayfs is known not to refuse first, and of them the disk.

        What a container writes should not be paid for in memory.
        """
        shared_memory = Path("/dev/shm") / f"pytest-containers-{userns.outer_user()}"  # noqa: S108  checked: private_directory
        found: list[Path] = []
        for base in (data_home(), self.path, shared_memory):
            existing = next(parent for parent in (base, *base.parents) if os.path.exists(parent))  # noqa: PTH110  False where it may not be looked at
            if os.access(existing, os.W_OK):
                found.append(base)
        if not found:
            raise EngineError(
                f"no place for writable layers: {data_home()}, {self.path} and /dev/shm cannot be written; "
                "set PYTEST_CONTAINERS_DATA to a directory on ext4, xfs or tmpfs"
            )
        return sorted(found, key=_refuses_uppers)

    def place_layers(self, number: int) -> None:
        """Have the writable layers at one of ``places``; nothing lies there yet."""
        place = self.places[number] / "layers-of-runs" / self.path.name
        if place != self.layers:
            self.record("directory", str(place))
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.layers.name:
                self.layers.rmdir()
            self.layers = place

    def record(self, kind: str, value: str) -> None:
        """Write down what is about to be made: ``kind`` is "cgroup" or "directory", ``value`` its path."""
        if "\n" in value:
            raise EngineError(f"a path with a newline cannot be kept in the ledger: {value!r}")
        os.write(self._ledger, f"{kind} {value}\n".encode())

    def remove(self) -> None:
        """Remove what a run that has ended still has, cgroups where its launcher was killed; the lock goes last."""
        from container_runtime.state.sweep import remove_recorded

        remove_recorded(self.path)
        os.close(self._ledger)
        os.close(self.lock)


def remove_tree(path: Path) -> None:
    """Delete a directory tree on this filesystem; what is not there is no error.

    ``work/work`` of an overlay has mode 000, which root does not mind.
    """
    shutil.rmtree(path, ignore_errors=True)
