"""A process that the launcher started and watches."""

from __future__ import annotations

from container_runtime.kernel import syscalls as sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from container_runtime.cgroups.manager import Group


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
        "pid",
        "pidfd",
        "report",
        "shared",
        "started",
    )

    def __init__(self, identity: str, pids: tuple[int, int], report: int, group: Group, container: str) -> None:
        """``pids``: the pid as the launcher sees it, and the pidfd."""
        self.identity = identity
        self.pid, self.pidfd = pids
        self.report = report
        self.group = group
        self.container = container  # the id of the container that an exec runs in; empty for a container itself
        self.error = b""
        self.host_pid = sys.pid_of(self.pidfd)
        self.started = False
        self.frozen = ""  # the file that thaws its group, while it is paused
        self.killed = False  # SIGKILL is on its way: a process of the v1 freezer that is frozen then does not die
        self.shared = False  # whether it has no pid namespace of its own, so that its children may outlive it
