"""A first process that is ready before it is asked for: in its cgroups and namespaces, with /proc and /dev mounted.

Most of what a container's child does depends on nothing that the request says. It is done beforehand, for a container
like the last one, as soon as the launcher has had nothing to do for a moment; the request then finds a process that
waits on a socket for its root, its network and its program, and a group that wants its limits. Where the next
container is of another kind, the spare is of no use and is killed.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  the C module: the wrapper imports enum
import os

from container_runtime.kernel import filters
from container_runtime.kernel import syscalls as sys
from container_runtime.launcher import child as children
from container_runtime.launcher import entry as entries
from container_runtime.launcher import messages
from container_runtime.launcher.operations import STAGED
from container_runtime.launcher.rehearsal import rehearse

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

    from container_runtime.cgroups.manager import Group, Manager
    from container_runtime.launcher.operations import Step


class Kind:
    """All that a spare is made for; a container of an equal kind can take it."""

    __slots__ = ("cgroup_namespace", "devices", "flags", "staged")

    def __init__(
        self, flags: int, *, cgroup_namespace: bool, devices: list[dict[str, Any]], staged: list[Step]
    ) -> None:
        """``flags`` of clone3, the devices rules of its group, and the steps that are taken beforehand."""
        self.flags = flags
        self.cgroup_namespace = cgroup_namespace
        self.devices = devices
        self.staged = staged

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kind) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  it holds lists


class Spare:
    """One waiting process: its pidfd, the pipe of its report, and the socket that it takes its order from."""

    __slots__ = ("channel", "group", "kind", "pid", "pidfd", "report")

    def __init__(self, kind: Kind, group: Group, stage: str) -> None:
        """Clone it into ``group``, which becomes its own; returns in the caller only."""
        self.kind = kind
        self.group = group
        self.report, write_end = os.pipe2(os.O_CLOEXEC)
        self.channel, theirs = messages.pair()
        into = group.open()
        try:
            self.pid, self.pidfd = sys.clone3(kind.flags, into)
            if self.pid == 0:
                self.channel.close()
                _wait_for_order(theirs, write_end, kind, group.task_files, stage)
        except OSError:
            self.channel.close()
            os.close(self.report)
            raise
        finally:
            theirs.close()
            os.close(write_end)
            if into is not None:
                os.close(into)

    def order(self, order: dict[str, Any], stdio: list[int]) -> None:
        """Tell it what to become; its report goes on as that of any container's child.

        Raises:
            OSError: it has died.
        """
        messages.send(self.channel, order, stdio)
        self.channel.close()

    def discard(self) -> None:
        """Kill and reap it, and remove its group."""
        sys.pidfd_send_signal(self.pidfd, _signal.SIGKILL)
        os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        os.close(self.report)
        self.channel.close()
        self.group.remove()


class Nursery:
    """At most one spare, made like the last container."""

    def __init__(self, manager: Manager, stage: str) -> None:
        """``stage``: a directory of the run, where each spare, in a namespace of its own, mounts /proc and /dev."""
        self.wanted: Kind | None = None
        self._manager = manager
        self._stage = stage
        self._spare: Spare | None = None
        self._count = 0
        for path in (stage, *(stage + below for below in STAGED)):
            os.makedirs(path, 0o700, exist_ok=True)

    def take(self, kind: Kind) -> Spare | None:
        """The waiting process, if it is of this kind; the next one will be, where anything can be done beforehand."""
        spare, self._spare = self._spare, None
        if kind.staged:
            self.wanted = kind
        if spare is not None and spare.kind != kind:
            spare.discard()
            return None
        return spare

    def pids(self) -> list[int]:
        """The pid of the one that waits, if there is one."""
        return [] if self._spare is None else [self._spare.pid]

    def prepare(self) -> None:
        """Make one, unless it is there."""
        kind, self.wanted = self.wanted, None
        if kind is None or self._spare is not None:
            return
        if not self._count:
            rehearse()
        self._count += 1
        try:
            group = self._manager.begin(f"spare-{self._count}", kind.devices)
            try:
                self._spare = Spare(kind, group, self._stage)
            except OSError:
                group.remove()
                raise
        except OSError:
            self._spare = None  # what is wrong will be said by the next start


def _wait_for_order(channel: _socket.socket, report: int, kind: Kind, task_files: list[str], stage: str) -> None:
    """The spare's life: enter, stage, wait, become the container. Does not return."""
    child = children.Child(b"")
    entries.enter(report, entries.Entry([], task_files, kind.cgroup_namespace))
    entries.run_steps(report, [("stage", stage), *kind.staged], child)
    os.close(child.root)
    order, stdio = messages.receive(channel)
    if order is None:
        os._exit(0)  # the launcher has no use for it
    child.filter = filters.SeccompFilter(order["filter"])
    entry = entries.Entry(stdio, order["task_files"], joined=order["joined"])
    entries.run(report, entry, order["steps"], child, lambda: entries.Execution(order["process"]).start())
