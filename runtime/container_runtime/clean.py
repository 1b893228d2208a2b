"""``container_runtime clean``: removes what engines left that were killed, and what they keep between runs.

Dead runs are swept by whoever starts next anyway. Nobody else removes the layers of the image ``host``, which serve all
engines of a user, all snapshots at once (of both, those that an engine holds are kept: ``images/held.py``), and the
writable layers of runs whose directory went with the machine's restart (/run is a tmpfs), which is done only while no
engine of the user is alive.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.errors import EngineError
from container_runtime.images.held import remove_unheld
from container_runtime.kernel import userns
from container_runtime.state.paths import data_home, runtime_home
from container_runtime.state.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAME = "pytest-containers"
_LAYER = re.compile(r"host-[0-9a-f]{32}")  # images/host.py, images/host_parts.py
_PARTIAL = re.compile(r"\.(host-[0-9a-f]{32}|probe)(-\d+-[0-9a-f]+)+")  # their names while they are made, or removed
_SNAPSHOT = re.compile(r"\.?[0-9a-f]{64}(-\d+-[0-9a-f]+)?")  # images/snapshots.py; with a dot while it is removed
_RUN = re.compile(r"run-\d+-[0-9a-f]+")


class Removed(NamedTuple):
    """One thing that was removed: ``kind`` is "run", "host layer", "snapshot" or "writable layers"."""

    kind: str
    path: str


def homes() -> list[Path]:
    """Where runs of this user may lie: XDG_RUNTIME_DIR is not set everywhere that a user starts engines."""
    user = userns.outer_user()
    others = [Path("/run") / _NAME] if user == 0 else [Path(f"/run/user/{user}/{_NAME}"), Path(f"/tmp/{_NAME}-{user}")]  # noqa: S108  checked below
    return [home for home in dict.fromkeys((runtime_home(), *others)) if _is_ours(home)]


def shared_memory() -> Path:
    """Where layers lie that can be nowhere else."""
    return Path(f"/dev/shm/{_NAME}-{userns.outer_user()}")  # noqa: S108  _is_ours looks at it


def _is_ours(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return path.is_dir() and not path.is_symlink() and status.st_uid == os.geteuid()


def living(homes_: Sequence[Path]) -> list[str]:
    """The engines of this user that are alive: the names of locked runs, and processes with a run elsewhere."""
    locked = [path.name for home in homes_ for path in home.iterdir() if _is_locked(path / "lock")]
    return locked or [f"process {pid}" for pid in _processes()]


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _processes() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if b"container_runtime" in words and b"serve" in words and entry.stat().st_uid == os.geteuid():
                yield entry.name
        except OSError:
            continue  # it has ended meanwhile


def clean() -> tuple[list[Removed], list[str]]:
    """Remove what belongs to nobody; returns that, and the engines that are alive.

    Raises:
        EngineError: there is no place for runs.
    """
    found = homes()
    removed = [Removed("run", str(home / name)) for home in found for name in sweep(home)]
    alive = living(found)
    bases = [*found, shared_memory()]
    for base in bases:
        removed += _remove(base, _LAYER, "host layer")
    for base in (*bases, data_home()):
        removed += _remove(base / "snapshots", _SNAPSHOT, "snapshot")
    if not alive:
        for base in bases:
            removed += _remove(base, _PARTIAL, "host layer")
        for base in (*bases, data_home()):
            removed += _remove(base / "layers-of-runs", _RUN, "writable layers")
    return removed, alive


def _remove(directory: Path, names: re.Pattern[str], kind: str) -> list[Removed]:
    if not _is_ours(directory):
        return []
    return [
        Removed(kind, str(path))
        for path in sorted(directory.iterdir())
        if names.fullmatch(path.name) and not path.is_symlink() and remove_unheld(path)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Clean, and print a line for each thing that was removed; returns the exit code."""
    words = sys.argv[2:] if arguments is None else arguments
    if [*words] not in ([], ["--json"]):
        print("usage: python -m container_runtime clean [--json]", file=sys.stderr)  # noqa: T201  the process's own words
        return 2
    try:
        if userns.needed():
            userns.enter()  # files of containers' users belong to subordinate ids
        removed, alive = clean()
    except (EngineError, OSError) as error:
        print(f"container_runtime: {error}", file=sys.stderr)  # noqa: T201
        return 1
    for one in removed:
        print(json.dumps(one._asdict()) if words else f"removed {one.kind} {one.path}")  # noqa: T201
    if not words:
        if not removed:
            print("nothing to remove")  # noqa: T201
        if alive:
            print(f"kept what belongs to the engines that are alive: {', '.join(alive)}")  # noqa: T201
    return 0
