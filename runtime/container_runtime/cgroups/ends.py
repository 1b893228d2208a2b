"""Waiting for the end of processes that are not our children, by their pidfds."""

from __future__ import annotations

import os
import select
import time

from container_runtime.kernel import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def bring_about(pids: Iterable[int], cause: Callable[[list[int]], None], limit: float) -> None:
    """Do what ends processes, and return when they have ended, or after ``limit`` seconds.

    ``cause`` is given the pidfds of those that live; they are open before, so that no other process is meant.
    """
    poll = select.poll()
    descriptors: list[int] = []
    try:
        for pid in pids:
            try:
                descriptors.append(syscalls.pidfd_open(pid))
            except ProcessLookupError:
                continue
            poll.register(descriptors[-1], select.POLLIN)
        cause(descriptors)
        end = time.monotonic() + limit
        waiting = len(descriptors)
        while waiting and (left := end - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(left * 1000):
                poll.unregister(descriptor)
                waiting -= 1
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
