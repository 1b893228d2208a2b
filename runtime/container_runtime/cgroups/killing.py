"""Ending all processes of a group: for containers that have no pid namespace of their own, whose end would do it."""

from __future__ import annotations

import os
import select
import time

from container_runtime.kernel import syscalls

_LIMIT = 5.0  # seconds; a killed process that does not end within them waits for a disk, and is left to die


def _members(directory: str) -> list[int]:
    descriptor = os.open(directory + "/cgroup.procs", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return [int(text) for text in os.read(descriptor, 1 << 20).split()]
    finally:
        os.close(descriptor)


def end_processes(directory: str) -> None:
    """Kill every process of the group and wait for their end; those that they fork meanwhile, too."""
    end = time.monotonic() + _LIMIT
    while (members := _members(directory)) and time.monotonic() < end:
        _end(members, end)


def _end(members: list[int], end: float) -> None:
    poll = select.poll()
    descriptors: list[int] = []
    try:
        for pid in members:
            try:
                descriptors.append(syscalls.pidfd_open(pid))
                syscalls.pidfd_send_signal(descriptors[-1], 9)
            except ProcessLookupError:
                continue
            poll.register(descriptors[-1], select.POLLIN)
        waiting = len(descriptors)
        while waiting and (left := end - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                poll.unregister(descriptor)
                waiting -= 1
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
