"""The processes of this container: who was killed for want of memory, and what a test has left running."""

from __future__ import annotations

import os
from pathlib import Path

_FILES = (
    "/sys/fs/cgroup/memory.events",  # v2: memory.events of Documentation/admin-guide/cgroup-v2.rst
    "/sys/fs/cgroup/memory/memory.oom_control",  # v1: since Linux 4.13
)


def kills() -> int:
    """How many processes of this container's group were killed so far; 0 where it cannot be seen."""
    for file in _FILES:
        try:
            lines = Path(file).read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def offer() -> None:
    """Let this process be the one that is killed, and not the one that it was forked from."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def end_others(keep: set[int]) -> None:
    """Kill what a test has left running: all processes that are seen here but those to keep."""
    import signal

    for name in os.listdir("/proc"):  # noqa: PTH208  names are enough
        if name.isdigit() and int(name) not in keep:
            try:
                os.kill(int(name), signal.SIGKILL)
            except OSError:
                continue
