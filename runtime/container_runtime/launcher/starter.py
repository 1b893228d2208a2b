"""A process beside the launcher that starts execs by lists of system calls (``execing``).

It sleeps while its child shares its memory, until that has called execve: as long as a filesystem keeps the child
waiting, or somebody in the container has stopped it (SIGSTOP). Where the kernel kills the child for the container's
memory limit, it goes too. The launcher may do neither, so this one does it, and what it starts becomes the launcher's
child (CLONE_PARENT). Where it is busy the launcher forks; where it has gone the launcher makes another.
"""

from __future__ import annotations

import _socket
import errno
import os
import select

from container_runtime.kernel import syscalls as sys
from container_runtime.kernel import vfork
from container_runtime.launcher import execing, messages
from container_runtime.launcher.entry import Execution
from container_runtime.launcher.process import Process, clone_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Asked = tuple[str, str, Process]
    """Whose answer it is: the ids of the exec and of its container, and the first process of that."""

_CHANNEL, _OWN_NAMESPACE = 3, 4


class Answer:
    """What came of an order: a process, or a failure before there was one (step, path, errno)."""

    def __init__(self, asked: Asked, answer: dict[str, Any], pidfd: int) -> None:
        self.identity, self.container, target = asked
        self.process: Process | None = None
        self.failure: tuple[str, str, int] = answer["failure"]
        if pidfd >= 0:
            pids = (answer["pid"], pidfd)
            self.process = Process(self.identity, pids, -1, target.group, self.container, self.container)
            self.process.error, self.process.started = answer["error"], answer["begun"] and not answer["error"]


class Starter:
    """The launcher's side: at most one order at a time."""

    def __init__(self, poll: select.epoll, own_namespace: int) -> None:
        """``poll``: has ``descriptors`` as long as there is a process; ``own_namespace``: the pid namespace's file."""
        self.descriptors: tuple[int, ...] = ()
        """What ``answer`` is to be called for: its socket, and its pidfd, since its child may have the socket too."""
        self.lost = False
        """Whether one has gone that had an order: there may be a child of the launcher's that nobody waits for."""
        self._poll = poll
        self._own_namespace = own_namespace
        self._channel: _socket.socket | None = None
        self._process = (0, -1)
        self._asked: Asked | None = None

    @property
    def busy(self) -> bool:
        """Whether there may be a child of the launcher's that it does not know yet."""
        return self._asked is not None

    def pids(self) -> list[int]:
        """The pid of the process, if there is one."""
        return [self._process[0]] if self._channel is not None else []

    def prepare(self) -> None:
        """Have the process, on a machine that can do it."""
        if self._channel is not None or not vfork.available():
            return
        ours, theirs = messages.pair()
        try:
            pid, pidfd = sys.clone3(0)
            if pid == 0:
                _serve(theirs.fileno(), self._own_namespace)
        except OSError:  # too many processes, which the next start will say
            ours.close()
            return
        finally:
            theirs.close()
        self._process = pid, pidfd
        ours.setblocking(False)
        self._channel, self.descriptors = ours, (ours.fileno(), pidfd)
        for descriptor in self.descriptors:
            self._poll.register(descriptor, select.EPOLLIN)

    def take(self, asked: Asked, order: dict[str, Any], stdio: Sequence[int]) -> bool:
        """Give it an order; False where it cannot take one now.

        ``order``: "process", "steps", "namespaces", "seccomp" as ``execing.compile_calls`` has them.
        """
        if self._channel is None or self._asked is not None:
            return False
        target = asked[2]
        group = target.group.open()
        descriptors = [*stdio, target.pidfd, *([] if group is None else [group])]
        try:
            messages.send(self._channel, {**order, "task_files": target.group.task_files}, descriptors)
        except OSError:  # it has gone, which is about to be noticed; or the order is too long
            return False
        finally:
            if group is not None:
                os.close(group)
        self._asked = asked
        return True

    def answer(self) -> Answer | None:
        """What it says; an order that it went with has failed. None where it has gone without one."""
        assert self._channel is not None  # noqa: S101
        try:
            answer, found = messages.receive(self._channel)
        except BlockingIOError:
            answer, found = None, []
        asked, self._asked = self._asked, None
        if answer is None:
            self._bury()
            answer = {"failure": ("start", "", errno.ENOMEM)}  # with its child, for the container's memory limit
            if asked is not None:
                self.lost = True
                self.prepare()
        return None if asked is None else Answer(asked, answer, found[0] if found else -1)

    def _bury(self) -> None:
        assert self._channel is not None  # noqa: S101
        for descriptor in self.descriptors:
            self._poll.unregister(descriptor)
        self._channel.close()
        self._channel, self.descriptors = None, ()
        os.waitid(os.P_PIDFD, self._process[1], os.WEXITED)
        os.close(self._process[1])


def _serve(channel: int, namespace: int) -> None:
    """Its life: one order after the other, until the launcher's end is that of all. Does not return."""
    try:
        # What shares its memory is in a container, where others may not look into it (CVE-2019-5736; prctl(2)).
        sys.prctl(sys.PR_SET_DUMPABLE, 0)
        kept = [os.dup(channel), os.dup(namespace)]  # so that neither lies where the other has to go
        for number, descriptor in zip((_CHANNEL, _OWN_NAMESPACE), kept, strict=True):
            os.dup2(descriptor, number, inheritable=False)
        # Whatever else the launcher had open: the end of a pipe is seen when nobody has it any more.
        os.closerange(_OWN_NAMESPACE + 1, os.sysconf("SC_OPEN_MAX"))
        socket = _socket.socket(fileno=_CHANNEL)
        while True:
            order, descriptors = messages.receive(socket)
            if order is None:
                break
            _obey(socket, order, descriptors)
    finally:
        os._exit(1)


def _obey(socket: _socket.socket, order: dict[str, Any], descriptors: list[int]) -> None:
    answer: dict[str, Any] = {"failure": ("start", "", 0)}
    made: list[int] = []
    try:
        made.append(_start(order, descriptors, answer))
    except OSError as error:
        answer["failure"] = ("start", str(error.filename or ""), error.errno or errno.EIO)
    messages.send(socket, answer, made)
    for descriptor in (*descriptors, *made):
        os.close(descriptor)


def _start(order: dict[str, Any], descriptors: list[int], answer: dict[str, Any]) -> int:
    """The pidfd; ``descriptors`` are those of the order, and what is opened here is added."""
    stdio, target, group = descriptors[:3], descriptors[3], descriptors[4] if len(descriptors) > 4 else None
    execution = Execution(order["process"])
    task_files: list[int] = []
    for path in order["task_files"]:
        task_files.append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
        descriptors.append(task_files[-1])
    calls = execing.compile_calls(
        stdio=stdio,
        task_files=task_files,
        namespaces=(target, order["namespaces"]),
        steps=order["steps"],
        seccomp=order["seccomp"],
        execution=execution,
    )
    answer["pid"], pidfd = clone_in(target, _OWN_NAMESPACE, lambda: calls.run(group, sibling=True))
    answer["error"], answer["begun"] = execing.error_of(calls, execution), calls.begun("exec")
    return pidfd
