"""A process that the launcher started and watches."""

from __future__ import annotations

import os
import select

from container_runtime.kernel import syscalls as sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from container_runtime.cgroups.manager import Group


if TYPE_CHECKING:

    class Parents(Protocol):
        """Who has children of its own."""

        def pids(self) -> list[int]:
            """Theirs."""
            ...


_PF_EXITING = 4  # linux/sched.h; in the field "flags" of proc_pid_stat(5)


class Process:
    """A container's first process, or one of an exec."""

    __slots__ = (
        "container",
        "error",
        "frozen",
        "group",
        "host_pid",
        "identity",
        "killed",
        "namespaces",
        "owner",
        "pid",
        "pidfd",
        "report",
        "shared",
        "started",
    )

    def __init__(
        self, identity: str, pids: tuple[int, int], report: int, group: Group, container: str, owner: str = ""
    ) -> None:
        """``pids``: the pid as the launcher sees it, and the pidfd.

        ``report``: the pipe that ends when it has begun or failed, -1 where it already has. ``owner``: see
        ``has_ended``; empty for itself.
        """
        self.identity = identity
        self.pid, self.pidfd = pids
        self.report = report
        self.group = group
        self.container = container  # the id of the container that an exec runs in; empty for a container itself
        self.owner = owner
        self.error = b""
        self.namespaces = 0  # flags of those that are not the launcher's own
        self.host_pid = sys.pid_of(self.pidfd)
        self.started = False
        self.frozen = ""  # the file that thaws its group, while it is paused
        self.killed = False  # SIGKILL is on its way: a process of the v1 freezer that is frozen then does not die
        self.shared = False  # whether it has no pid namespace of its own, so that its children may outlive it


def has_ended(processes: dict[str, Process], owner: str) -> bool:
    """Whether a container has, given by its id or by the path of its pid namespace: whatever is in that is killed."""
    found = processes.get(owner)
    if found is None:
        found = next((one for one in processes.values() if owner == f"/proc/{one.host_pid}/ns/pid"), None)
    if found is None:
        return True
    poll = select.poll()
    poll.register(found.pidfd, select.POLLIN)
    return bool(poll.poll(0)) or _is_exiting(found.host_pid)


def _is_exiting(pid: int) -> bool:
    """Whether it has begun to end: the first process of a pid namespace then waits for the end of all others in it."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        text = os.read(descriptor, 4096)
        os.close(descriptor)
    except OSError:
        return True
    return bool(int(text.rpartition(b")")[2].split()[6]) & _PF_EXITING)


def clone_in(pids: int | str, own: int, clone: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """Call ``clone`` (as ``syscalls.clone3``) for a child in the pid namespace ``pids``: a pidfd, a path, "" for ours.

    Only children enter a pid namespace that setns(2) chose, so it is set around the clone and set back.
    """
    if not pids:
        return clone()
    descriptor = os.open(pids, os.O_RDONLY | os.O_CLOEXEC) if isinstance(pids, str) else pids
    pid = -1
    try:
        sys.setns(descriptor, sys.CLONE_NEWPID)
        pid, pidfd = clone()
        return pid, pidfd
    finally:
        if pid != 0:  # the child comes by here too
            sys.setns(own, sys.CLONE_NEWPID)
        if isinstance(pids, str):
            os.close(descriptor)


def reap_all_but(known: set[int], *others: Parents) -> None:
    """Reap the children that have ended, up to the first one that somebody waits for."""
    for one in others:
        known = known.union(one.pids())
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in known:
            return
        os.waitpid(found.si_pid, 0)
