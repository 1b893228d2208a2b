"""A first process that is ready before it is asked for: cloned into its namespaces, with /proc and /dev mounted.

Two thirds of what a container's child does depends on nothing that the request says. It is done beforehand, beside
the container that is running now; the request then finds a process that waits on a socket for its root, its cgroups,
its network and its program. Where the next container wants other namespaces or mounts, the spare is of no use and
is killed.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  the C module: the wrapper imports enum
import _socket
import array
import marshal
import os

from container_runtime.kernel import syscalls as sys
from container_runtime.launcher import child as children
from container_runtime.launcher import entry as entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from container_runtime.launcher.operations import Step

_ORDER_LIMIT = 1 << 20  # bytes; main.MESSAGE_LIMIT


class Spare:
    """One waiting process: its pidfd, the pipe of its report, and the socket that it takes its order from."""

    __slots__ = ("channel", "flags", "pidfd", "report", "staged")

    def __init__(self, flags: int, staged: list[Step], stage: str) -> None:
        """Clone it; returns in the caller only."""
        self.flags = flags
        self.staged = staged
        self.report, write_end = os.pipe2(os.O_CLOEXEC)
        self.channel, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        for end in (self.channel, theirs):
            end.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, _ORDER_LIMIT)
        try:
            pid, self.pidfd = sys.clone3(flags)
            if pid == 0:
                self.channel.close()
                _wait_for_order(theirs, write_end, [("stage", stage), *staged])
        except OSError:
            self.channel.close()
            os.close(self.report)
            raise
        finally:
            theirs.close()
            os.close(write_end)

    def order(self, order: dict[str, Any], stdio: list[int]) -> None:
        """Tell it what to become; its report goes on as that of any container's child."""
        rights = array.array("i", stdio)
        self.channel.sendmsg([marshal.dumps(order)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
        self.channel.close()

    def discard(self) -> None:
        """Kill and reap it."""
        sys.pidfd_send_signal(self.pidfd, _signal.SIGKILL)
        os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        os.close(self.report)
        self.channel.close()


def _wait_for_order(channel: _socket.socket, report: int, staged: list[Step]) -> None:
    """The spare's life: stage, wait, become the container. Does not return."""
    child = children.Child(b"")
    entries.run_steps(report, staged, child)
    os.close(child.root)
    data, ancillary, _, _ = channel.recvmsg(_ORDER_LIMIT, 128, _socket.MSG_CMSG_CLOEXEC)
    if not data:
        os._exit(0)  # the launcher has no use for it
    stdio = array.array("i")
    for _, _, content in ancillary:
        stdio.frombytes(content)
    order = marshal.loads(data)  # noqa: S302  from our own launcher, over a socket pair
    child.filter = order["filter"]
    entry = entries.Entry(list(stdio), order["procs"], order["cgroup_namespace"], order["joined"], order["unshare"])
    entries.run(report, entry, order["steps"], child, order["process"])
