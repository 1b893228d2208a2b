"""The engine's end of the launcher: requests as coroutines, exits as a callback."""

from __future__ import annotations

import asyncio
import errno
import marshal
import os
import re
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.errors import Conflict, EngineError, NotFound, StartError, Unavailable
from container_runtime.launcher import messages
from container_runtime.launcher.spawn import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.state.rundir import RunDirectory


_NAMESPACE = re.compile(r"/proc/[0-9]+/ns/[a-z]+")

Stdio = tuple[int, int, int]


class Exit(NamedTuple):
    """How a process ended: ``code`` is 128+n where signal n ended it."""

    code: int
    signal: int
    oom_killed: bool


class Started(NamedTuple):
    """A process that is past its execve; ``pid`` as the engine's machine sees it."""

    pid: int


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _error_of(step: str, path: str, number: int, strerror: str = "") -> EngineError:
    """The launcher's report of a failed step as an error for the user, with Docker's exit codes."""
    reason = strerror or os.strerror(number)
    if step == "exec":
        if number in {errno.ENOENT, errno.ENOTDIR}:
            if "/" in path:
                return StartError(f'exec: "{path}": stat {path}: no such file or directory', 127)
            return StartError(f'exec: "{path}": executable file not found in $PATH', 127)
        return StartError(f'exec: "{path}": {reason.lower()}', 126)
    if step in {"directory", "make_directory"}:
        return StartError(f"chdir to cwd ({path}) set in config.json failed: {reason.lower()}", 126)
    if step == "identity" and number == errno.EINVAL:
        return StartError(
            f"user {path} is not one of the container's: this engine's user has no subordinate ids for it; install the "
            "package uidmap and give him ids in /etc/subuid and /etc/subgid (pytest-containers doctor says how)",
            128,
        )
    if step == "hostname" and number == errno.EPERM:
        return StartError(
            f"the host name {path} cannot be set, because the seccomp profile of an outer container forbids it, as "
            "Podman's does: start that one with --security-opt seccomp=unconfined",
            128,
        )
    if step == "mount" and path == "/proc" and number == errno.EPERM:
        return StartError(
            "a new /proc cannot be mounted, because parts of the one that is there are masked, as in an outer "
            "container: start that one with --security-opt systempaths=unconfined",
            128,
        )
    if step in {"mount", "mount_below"} and number == errno.ENOTDIR:
        return StartError(
            f"mount {path}: not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if "
            "the specified host path exists and is the expected type",
            127,
        )
    if number == errno.ENOMEM and step == "start":
        return StartError("the memory limit is too small to start a process in", 128)
    return StartError(f"{step} {path}: {reason}".replace("  ", " "), 128)


class Launcher:
    """A running launcher. One object an engine; all methods run on the engine's loop."""

    def __init__(self, run_directory: RunDirectory, channel: socket.socket, pidfd: int) -> None:
        """``channel`` and ``pidfd`` as ``spawn`` returned them."""
        self.on_exit: Callable[[str, Exit], None] = lambda _identity, _end: None
        self.on_death: Callable[[], None] = lambda: None
        self.on_end: Callable[[], None] = lambda: None
        """It is about to die, and does when all its processes have (pid_namespaces(7))."""
        self.pidfd = pidfd
        self._channel = channel
        self._run_directory = run_directory
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._discarded: dict[str, asyncio.Future[None]] = {}
        self._loop = asyncio.get_running_loop()
        self._dead = self._loop.create_future()
        self._closing = False
        self._count = 0
        self._loop.add_reader(channel.fileno(), self._receive)
        self._loop.add_reader(pidfd, self._died)

    @classmethod
    async def start(cls, run_directory: RunDirectory) -> Launcher:
        """Spawn a launcher; it answers as soon as it has come up, and requests wait in its socket until then."""
        return cls(run_directory, *spawn(run_directory))

    async def ready(self) -> None:
        """Return when it has come up, and its namespaces are its own."""
        with suppress(NotFound):
            await self.kill("", 0)

    async def run(
        self,
        container_id: str,
        config: dict[str, Any],
        stdio: Stdio,
        seccomp: str = "",
        *,
        fresh: bool = False,
        init: bool = False,
    ) -> Started:
        """Start a container from its OCI config.json; returns when its program has been executed.

        ``stdio``: descriptors for 0, 1 and 2, or with ``process.terminal`` three times the socket that the terminal's
        master is to be sent through; the caller closes its own afterwards. ``seccomp``: file with the compiled filter
        (``oci.seccomp.compile_profile``), empty for none. ``fresh``: what was mounted for it lately is not in a process
        that waits for its container. ``init``: with a reaper as its first process.

        Raises:
            StartError: the program or a step before it failed.
            Unavailable: the launcher has died.
        """
        message = {"do": "run", "id": container_id, "config": config, "seccomp": seccomp, "fresh": fresh, "init": init}
        return Started((await self._ask(container_id, message, stdio))["pid"])

    async def execute(
        self, container_id: str, exec_id: str, process: dict[str, Any], stdio: Stdio, seccomp: str = ""
    ) -> Started:
        """Start an OCI ``process`` in a running container. Errors as ``run``; NotFound where it does not run."""
        message = {"do": "exec", "id": exec_id, "container": container_id, "process": process, "seccomp": seccomp}
        return Started((await self._ask(exec_id, message, stdio))["pid"])

    async def kill(self, identity: str, signal: int) -> None:
        """Send a signal to the first process of a container, or to that of an exec.

        Raises:
            NotFound: it has ended.
        """
        answer = await self._tell("kill", identity, signal=int(signal))  # marshal takes no enum
        if not answer["found"]:
            raise NotFound(f"Process of {identity[:12]} has ended")

    async def discard(self, identity: str) -> None:
        """Kill what was started, but has no owner; returns when it has ended, which ``on_exit`` does not hear of."""
        gone = self._discarded[identity] = self._loop.create_future()
        try:
            with suppress(NotFound):  # it has ended by itself, and its end is told in a moment
                await self.kill(identity, int(signal.SIGKILL))
            await gone
        except Unavailable:
            pass  # the launcher has ended, and so has all that it started
        finally:
            del self._discarded[identity]

    async def freeze(self, identity: str, *, frozen: bool) -> str:
        """Freeze a container's processes, or thaw them; returns the cgroup's file (``cgroups.freezer``).

        It returns when the kernel has been asked: that all stand still is awaited with ``freezer.await_frozen``.

        Raises:
            NotFound: it has ended.
            EngineError: there is no freezer.
        """
        return (await self._tell("freeze", identity, frozen=frozen))["file"]

    async def update(self, identity: str, resources: dict[str, Any]) -> None:
        """Change the limits (OCI's ``linux.resources``) of a running container. Errors as ``freeze``."""
        await self._tell("update", identity, resources=resources)

    async def _tell(self, what: str, target: str, **words: Any) -> dict[str, Any]:
        self._count += 1
        key = f"{what}-{self._count}"
        return await self._ask(key, {"do": what, "id": key, "target": target, **words}, ())

    kill_exec = kill

    async def attach(self, words: list[str], namespace: int) -> int:
        """Start a program for a network namespace (``outside``); returns its pid."""
        return (await self._ask("attach", {"do": "attach", "id": "attach", "words": words}, (namespace,)))["pid"]

    async def close(self) -> None:
        """Kill everything; returns when all processes have died and their cgroups are gone."""
        self._closing = True
        if not self._dead.done():
            self._channel.shutdown(socket.SHUT_WR)  # its end of file: it kills, reaps, removes, and exits
            await self._dead

    async def _ask(self, key: str, message: dict[str, Any], descriptors: tuple[int, ...]) -> dict[str, Any]:
        if self._dead.done() or self._closing:
            raise Unavailable("the launcher has ended, so no container can be started: start the engine again")
        data = marshal.dumps(message)
        if len(data) > messages.LIMIT:
            raise EngineError(
                f"the container's configuration has {len(data)} bytes; at most {messages.LIMIT} are taken"
            )
        future: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._waiting[key] = future
        try:
            await self._send(data, descriptors)
            answer = await future
        finally:
            self._waiting.pop(key, None)
        if "error" in answer:
            step, path, number, *words = answer["error"]
            if number == errno.ESRCH and message["do"] in {"exec", "freeze", "update"}:
                identity = str(message.get("container") or message.get("target") or path)
                raise NotFound(f"Container {identity[:12]} is not running")
            if number in {errno.ENOENT, errno.ESRCH} and _NAMESPACE.fullmatch(path):
                raise Conflict("cannot join namespaces of a non running container: it has just ended")
            raise _error_of(step, path, number, *words)
        return answer

    async def _send(self, data: bytes, descriptors: tuple[int, ...]) -> None:
        while True:
            try:
                socket.send_fds(self._channel, [data], list(descriptors))
                return
            except BlockingIOError:
                writable: asyncio.Future[None] = self._loop.create_future()
                self._loop.add_writer(self._channel.fileno(), _wake, writable)
                try:
                    await writable
                finally:
                    self._loop.remove_writer(self._channel.fileno())

    def _receive(self) -> None:
        while True:
            try:
                data = self._channel.recv(messages.LIMIT)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            if not data:
                self._loop.remove_reader(self._channel.fileno())
                self.on_end()
                return
            message = marshal.loads(data)  # noqa: S302  from our own launcher, over a socket pair
            if message.get("event") == "exit":
                self._exited(message)
            elif message.get("event") is None:
                future = self._waiting.get(message["id"])
                if future is not None and not future.done():
                    future.set_result(message)

    def _exited(self, message: dict[str, Any]) -> None:
        status, signalled = message["status"], message["signalled"]
        end = Exit(128 + status if signalled else status, status if signalled else 0, message["oom"])
        # After whoever awaits the start has seen its answer: both may have come in one read.
        self._loop.call_soon(self._loop.call_soon, self._tell_exit, message["id"], end)

    def _tell_exit(self, identity: str, end: Exit) -> None:
        discarded = self._discarded.get(identity)
        if discarded is None:
            self.on_exit(identity, end)
        else:
            _wake(discarded)

    def _died(self) -> None:
        self._loop.remove_reader(self.pidfd)
        self._receive()
        os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()
        for future in (*self._waiting.values(), *self._discarded.values()):
            if not future.done():
                future.set_exception(Unavailable("the launcher died while it was starting this process"))
        self._dead.set_result(None)
        if not self._closing:
            self.on_death()
