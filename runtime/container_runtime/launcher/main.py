"""The launcher: a single-threaded process that starts containers, and whose end is the end of all of them.

It is PID 1 of a pid namespace of its own, so that the kernel kills everything in it when it dies, whatever those
processes did to themselves; a parent-death signal would be lost by a change of user (kernel: kernel/cred.c,
commit_creds). It imports almost nothing, because each container's fork copies its page tables.

One message of the engine's socket (SOCK_SEQPACKET) is one request or answer, in ``marshal`` form: both ends are the
same interpreter of the same user, and marshal is a builtin, where json would bring ``re`` along.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  the C modules: their wrappers import enum and selectors
import _socket
import errno
import marshal
import os
import select

from container_runtime.cgroups import killing
from container_runtime.cgroups.manager import Manager
from container_runtime.kernel import syscalls as sys
from container_runtime.kernel import userns
from container_runtime.launcher import bounds, control, execing, messages, operations, outside
from container_runtime.launcher import child as children
from container_runtime.launcher import entry as entries
from container_runtime.launcher.fuse import Servers
from container_runtime.launcher.known import Known
from container_runtime.launcher.process import Process, clone_in, has_ended, reap_all_but
from container_runtime.launcher.spare import Kind, Nursery
from container_runtime.launcher.starter import Starter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from container_runtime.cgroups.manager import Group

QUIET = 0.003
"""Seconds without anything to do after which a spare is made, which takes a processor for about that long."""

_EXEC_NAMESPACES = sys.CLONE_NEWNS | sys.CLONE_NEWNET | sys.CLONE_NEWUTS | sys.CLONE_NEWIPC | sys.CLONE_NEWCGROUP


def _resources(config: dict[str, Any]) -> dict[str, Any]:
    """linux.resources, in a user namespace without devices rules (``cgroups.detect`` says why)."""
    resources = config["linux"].get("resources") or {}
    return {**resources, "devices": []} if userns.active() else resources


class Launcher:
    """The event loop: requests, reports of children, exits."""

    def __init__(self, channel: int, engine: int, run_directory: str) -> None:
        self.channel = _socket.socket(fileno=channel)
        self.run_directory = run_directory
        self.manager = Manager("pytest-containers-" + run_directory.rpartition("/")[2], self._record)
        self.processes: dict[str, Process] = {}
        self.by_descriptor: dict[int, Process] = {}
        self.known = Known()
        self.own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.engine = engine
        self.poll = select.epoll()
        self.poll.register(channel, select.EPOLLIN)
        self.poll.register(engine, select.EPOLLIN)
        self.alive = True
        self.nursery = Nursery(self.manager, run_directory + "/stage")
        self.servers = Servers(run_directory + "/roots")
        self.starter = Starter(self.poll, self.own_namespace)
        self.last_run: dict[str, Any] = {}
        self.starting = 0  # processes that have not reported yet

    def _record(self, path: str) -> None:
        """The ledger of the run: written before the group is made."""
        descriptor = os.open(
            self.run_directory + "/ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        os.write(descriptor, f"cgroup {path}\n".encode())
        os.close(descriptor)

    def send(self, message: dict[str, Any]) -> None:
        """One answer or event; an engine that has gone is noticed by the loop."""
        try:
            messages.send(self.channel, message)
        except OSError:
            self.alive = False

    def serve(self) -> None:
        """Until the engine has gone; then nothing of the run is left."""
        while self.alive:
            events = self.poll.poll(None if self.nursery.wanted is None or self.starting else QUIET)
            if not events:
                self._prepare_spare()
            for descriptor, _ in events:
                if descriptor == self.channel.fileno():
                    self._receive()
                elif descriptor == self.engine:
                    self.alive = False
                elif descriptor in self.starter.descriptors:
                    self._exec_started()
                else:
                    self._notice(descriptor)
        self._end()

    def _receive(self) -> None:
        message, descriptors = messages.receive(self.channel)
        if message is None:
            self.alive = False
            return
        try:
            self._do(message, descriptors)
        except OSError as error:
            self._refuse(message["id"], message["do"], error)
        except (KeyError, ValueError, TypeError) as error:
            self.send(
                {"id": message["id"], "error": [f"config.json: {type(error).__name__}", str(error), errno.EINVAL]}
            )
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _do(self, message: dict[str, Any], descriptors: list[int]) -> None:
        if message["do"] == "run":
            self.do_run(message, descriptors)
        elif message["do"] == "exec":
            self.do_exec(message, descriptors)
        elif message["do"] == "attach":
            pid = outside.attach(self.run_directory, message["words"], descriptors[0])
            self.send({"id": message["id"], "pid": pid})
        else:
            self.send({"id": message["id"], **control.CONTROLS[message["do"]](self.manager, self.processes, message)})

    def _refuse(self, identity: str, step: str, error: OSError) -> None:
        self.send(
            {"id": identity, "error": [step, str(error.filename or ""), error.errno or errno.EIO, str(error.strerror)]}
        )

    # --- requests ------------------------------------------------------------------------------------------------

    def do_run(self, message: dict[str, Any], stdio: list[int]) -> None:
        """Start a container from its config.json."""
        served = self.servers.take(message["id"], message["config"])
        try:
            self._run(message, stdio, served=served)
        except Exception:
            self.servers.end(message["id"])
            raise

    def _run(self, message: dict[str, Any], stdio: list[int], *, served: bool) -> None:
        config = message["config"]
        resources = _resources(config)
        program = self.known.filter(message["seccomp"])
        kind, steps, rest, joined = self._plan(message)
        # A spare that was made before the mount does not have it.
        parent = operations.cgroup_parent(config["linux"])
        spare = None if served or parent or message["fresh"] else self.nursery.take(kind)
        self.last_run = message
        group = self.manager.create(message["id"], resources, parent) if spare is None else spare.group
        try:
            if spare is not None:
                order = {
                    "filter": program,
                    "task_files": self.manager.limit(group, resources),
                    "joined": joined,
                    "steps": rest,
                    "process": config["process"],
                }
                spare.order(order, stdio)
                self._watch(Process(message["id"], (spare.pid, spare.pidfd), spare.report, group, ""))
            else:
                joined, pids = operations.split_pids(joined)
                entry = entries.Entry(stdio, group.task_files, kind.cgroup_namespace, joined)
                child = children.Child(program)
                self._clone(message["id"], kind.flags, group, entry, steps, child, config["process"], "", pids)
            started = self.processes[message["id"]]
            started.shared = not kind.flags & sys.CLONE_NEWPID
            started.namespaces = operations.own_namespaces(config["linux"]["namespaces"])
        except Exception:
            if spare is None:
                group.remove()
            else:
                spare.discard()  # and its group
            raise

    def _plan(
        self, message: dict[str, Any]
    ) -> tuple[Kind, list[operations.Step], list[operations.Step], list[tuple[str, int]]]:
        """What to do for a container: its kind, all steps, those that a spare has still to take, namespaces to join."""
        linux = message["config"]["linux"]
        steps = operations.compile_container(
            message["config"],
            seccomp=bool(message["seccomp"]),
            absent=self.known.absent(linux.get("maskedPaths") or []),
            own_users=userns.mapped_ids(),
            init=bool(message.get("init")),
        )
        flags, joined = operations.clone_flags(linux["namespaces"])
        staged, rest = operations.split_staged(steps)
        kind = Kind(
            flags,
            cgroup_namespace=operations.has_cgroup_namespace(linux["namespaces"]),
            devices=_resources(message["config"]).get("devices") or [],
            # A spare cannot be cloned into a pid namespace that is not known yet.
            staged=[] if operations.split_pids(joined)[1] else staged,
        )
        return kind, steps, rest, joined

    def _prepare_spare(self) -> None:
        """Make the next container's process like the last one's.

        The clone makes all our memory copy-on-write: the pages that the next request needs are written to now and not
        then (2.6 µs each), by going through the last one once more.
        """
        self.starter.prepare()
        self.nursery.prepare()
        self._plan(marshal.loads(marshal.dumps(self.last_run)))  # noqa: S302  our own

    def do_exec(self, message: dict[str, Any], stdio: list[int]) -> None:
        """Start one more process in a container: its namespaces, its cgroups, its user."""
        target = self.processes.get(message["container"])
        if target is None:
            raise ProcessLookupError(errno.ESRCH, "the container is not running", message["container"])
        process = message["process"]
        steps = operations.compile_exec(process, seccomp=bool(message["seccomp"]))
        program = self.known.filter(message["seccomp"])
        namespaces = target.namespaces & _EXEC_NAMESPACES
        if execing.can_be_said(steps):
            order = {"process": process, "steps": steps, "namespaces": namespaces, "seccomp": program}
            if self.starter.take((message["id"], message["container"], target), order, stdio):
                self.starting += 1
                return
        child = children.Child(program)
        # All its own namespaces at once, by its pidfd: an ordinary user may not enter those that are the machine's.
        # The cgroups before them, since their files are not there any more once the mount namespace is the container's.
        first = entries.Entry(stdio, target.group.task_files, joined=[(target.pidfd, namespaces)], unseen=True)
        self._clone(message["id"], 0, target.group, first, steps, child, process, message["container"], target.pidfd)

    def _exec_started(self) -> None:
        """What the starter says of its order, or its end, which is told by the same socket."""
        answer = self.starter.answer()
        if answer is None:
            return
        self.starting -= 1
        if answer.process is not None:
            self._watch(answer.process)
            if answer.process.started:
                self.send({"id": answer.identity, "pid": answer.process.host_pid})
        else:
            ended = has_ended(self.processes, answer.container)
            step, path, number = answer.failure
            self.send({"id": answer.identity, "error": [step, path, errno.ESRCH if ended else number]})

    def _clone(
        self,
        identity: str,
        flags: int,
        group: Group,
        first: Callable[[], None],
        steps: list[operations.Step],
        child: children.Child,
        process: dict[str, Any],
        container: str,
        pids: int | str = "",
    ) -> None:
        """``pids``: the pid namespace to be born in, as a pidfd or a path, where it is neither new nor ours."""
        owner = container or str(pids)
        execution = entries.Execution(process)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        into = group.open()
        try:
            pid, pidfd = clone_in(pids, self.own_namespace, lambda: sys.clone3(flags, into))
            if pid == 0:
                entries.run(write_end, first, steps, child, execution.start)
        except OSError as error:
            os.close(read_end)
            # The kernel says ENOMEM of a pid namespace whose first process has died (kernel/pid.c, alloc_pid).
            if owner and has_ended(self.processes, owner):
                raise ProcessLookupError(errno.ESRCH, "the container is not running", owner) from error
            raise
        finally:
            os.close(write_end)
            if into is not None:
                os.close(into)
        self._watch(Process(identity, (pid, pidfd), read_end, group, container, owner))

    def _watch(self, process: Process) -> None:
        self.processes[process.identity] = process
        self._await(process, process.pidfd, select.EPOLLIN)
        if process.report >= 0:
            self.starting += 1
            # Its end alone (EPOLLHUP, epoll_ctl(2)): it fits into the pipe, and a child that has just said that it is
            # ready is not to make place for us.
            self._await(process, process.report, 0)

    def _await(self, process: Process, descriptor: int, events: int) -> None:
        self.by_descriptor[descriptor] = process
        self.poll.register(descriptor, events)

    # --- reports and exits -----------------------------------------------------------------------------------------

    def _notice(self, descriptor: int) -> None:
        process = self.by_descriptor.get(descriptor)
        if process is None:
            return  # closed by an event of the same round
        while process.report >= 0:  # its writer has gone, in the one case as in the other
            self._read_report(process)
        if descriptor == process.pidfd:
            self._reap(process)

    def _read_report(self, process: Process) -> None:
        """Ready, then end of file: the close-on-exec of a successful execve; anything else is the step that failed."""
        data = os.read(process.report, 65536)
        if data:
            process.error += data
            return
        self.starting -= 1
        self._forget(process.report)
        process.report = -1
        process.started = process.error == entries.READY
        process.error = process.error.removeprefix(entries.READY)
        if process.started:
            self.send({"id": process.identity, "pid": process.host_pid})

    def _reap(self, process: Process) -> None:
        result = os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED)
        self._forget(process.pidfd)
        del self.processes[process.identity]
        killed = result is not None and result.si_code != 1  # CLD_EXITED
        status = 0 if result is None else result.si_status
        oom = False
        if not process.container:
            oom = process.group.oom_killed()
        if process.started:
            self.send({"event": "exit", "id": process.identity, "status": status, "signalled": killed, "oom": oom})
        if process.shared and process.group.directories:
            killing.end_processes(process.group.directories[0])
        if process.shared or self.starter.lost:
            self._reap_orphans()
        if not process.container:
            process.group.remove()  # after the news, which others wait for
            self.servers.end(process.identity)
        if process.started:
            return
        step, path, number = (process.error.decode("utf-8", "surrogateescape").split("\0") + ["", ""])[:3]
        if not number:
            # It was killed before it could write a report: by the end of its container, else by its memory limit.
            ended = process.owner and has_ended(self.processes, process.owner)
            path, number = (process.owner, errno.ESRCH) if ended else (path, errno.ENOMEM)
        self.send({"id": process.identity, "error": [step or "start", path, int(number)]})

    def _reap_orphans(self) -> None:
        """Children that we did not start: of containers in our own pid namespace, whose parents have gone."""
        if not self.starter.busy:  # else a child of ours may be among them
            reap_all_but({one.pid for one in self.processes.values()}, self.nursery, self.servers, self.starter)

    def _forget(self, descriptor: int) -> None:
        self.poll.unregister(descriptor)
        del self.by_descriptor[descriptor]
        os.close(descriptor)

    def _end(self) -> None:
        """Kill everything in this pid namespace, reap it, and remove what the kernel does not."""
        for process in self.processes.values():
            control.thaw(process)
        try:
            os.kill(-1, _signal.SIGKILL)
        except ProcessLookupError:
            pass
        while True:
            try:
                os.waitpid(-1, 0x40000000)  # __WALL: whatever kind of child
            except ChildProcessError:
                break
            except InterruptedError:
                continue
        self.manager.remove()
        self.servers.unmount()
        if os.path.isdir(self.run_directory):
            bounds.remove_run(self.run_directory)
