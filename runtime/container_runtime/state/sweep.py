"""What runs left that were killed together with their launcher: removed by whoever starts next.

A run directory whose lock is free belongs to nobody. Its ledger names the cgroups and directories that were made.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from container_runtime.cgroups import freezer
from container_runtime.state.paths import runtime_home
from container_runtime.state.rundir import remove_tree

_THAW_LIMIT = 5.0  # seconds; a killed process ends as soon as it is thawed


def remove_groups(directory: str) -> None:
    """rmdir a cgroup and those below it, deepest first; what has gone or is busy is left."""
    path = Path(directory)
    below = sorted((entry for entry in path.rglob("*") if entry.is_dir()), key=lambda entry: -len(entry.parts))
    for entry in [*below, path]:
        try:
            entry.rmdir()
        except OSError:
            continue


def remove_recorded(path: Path) -> None:
    """Remove what the ledger of the run in ``path`` names, and the directory; nobody of the run may live."""
    ledger = path / "ledger"
    lines = ledger.read_text(errors="replace").splitlines() if ledger.exists() else []
    records = [(kind, value) for kind, _, value in (line.partition(" ") for line in lines)]
    # The ledger lies in a directory that only this user can write, and still: nothing that is not a name of ours.
    groups = [
        value
        for kind, value in records
        if kind == "cgroup" and "pytest-containers" in value and value.startswith("/sys/fs/cgroup")
    ]
    for group in groups:
        for entry in Path(group).glob("*/"):
            with suppress(OSError):
                freezer.end_frozen(str(entry), _THAW_LIMIT)
    for group in groups:
        remove_groups(group)
    for kind, value in records:
        if kind == "directory" and "layers-of-runs" in value and Path(value).name == path.name:
            remove_tree(Path(value))
    remove_tree(path)


def sweep(home: Path | None = None) -> list[str]:
    """Remove what dead runs left; returns the names of the runs that were swept."""
    swept: list[str] = []
    home = runtime_home() if home is None else home
    for path in home.iterdir():
        try:
            descriptor = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # no run, or one that is being made
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            remove_recorded(path)
            swept.append(path.name)
        finally:
            os.close(descriptor)
    return swept
