"""What an engine's processes occupy."""

from __future__ import annotations

import os
from pathlib import Path


def engine_memory(engine: int, containers: set[int], *, with_namespace: bool) -> int:
    """Return the proportional set size, in bytes, of an engine without its containers' own processes.

    The engine's processes are its descendants, and ``with_namespace`` all of its mount namespace: Docker's shims are
    nobody's children.
    """
    return sum(_pss(pid) for pid in _family(engine, with_namespace) - containers)


def _family(engine: int, with_namespace: bool) -> set[int]:
    parents: dict[int, int] = {}
    family = {engine}
    own = _mount_namespace(engine)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            # After the name, which may hold spaces and brackets: state, then the parent (proc_pid_stat(5)).
            parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        if with_namespace and _mount_namespace(pid) == own:
            family.add(pid)
    while more := {pid for pid, parent in parents.items() if parent in family and pid not in family}:
        family |= more
    return family


def _mount_namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")  # noqa: PTH115
    except OSError:
        return ""


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
