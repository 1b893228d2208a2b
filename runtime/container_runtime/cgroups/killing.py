"""Ending all processes of a group: for containers that have no pid namespace of their own, whose end would do it."""

from __future__ import annotations

import time

from container_runtime.cgroups import ends, files
from container_runtime.kernel import syscalls

_LIMIT = 5.0  # seconds; a killed process that does not end within them waits for a disk, and is left to die
_SIGKILL = 9


def end_processes(directory: str) -> None:
    """Kill every process of the group and wait for their end; those that they fork meanwhile, too."""
    end = time.monotonic() + _LIMIT
    while (members := files.read(directory + "/cgroup.procs").split()) and (left := end - time.monotonic()) > 0:
        ends.bring_about(map(int, members), _kill, left)


def _kill(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        try:
            syscalls.pidfd_send_signal(descriptor, _SIGKILL)
        except ProcessLookupError:
            continue
