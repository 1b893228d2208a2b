"""A process that the launcher started and watches."""

from __future__ import annotations

import os
import select

from container_runtime.kernel import syscalls as sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from container_runtime.cgroups.manager import Group


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
        "may_wait",
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
        self.may_wait: bool | None = None  # ``execing.may_wait``; None as long as nobody has asked
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
