"""Our own engine: a process of this run, started in the background and ended with the run, however the run ends.

Everything that can be waited for exists before the process does: its run directory, the lock on it, and the socket,
which already listens. A client that connects too early waits in the kernel's queue, so nobody has to try again. The
directory appears under its name in one step (rename), so that of xdist's workers one starts the engine and the others
connect to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import stat
import sys
from pathlib import Path

from pytest_containers.client import Client
from pytest_containers.client.errors import ClientError, EngineUnreachable
from pytest_containers.engine import Engine
from pytest_containers.errors import ContainerError

NAME = "pytest-containers"
SOCKET, LOCK, LOG, PID = "docker.sock", "lock", "engine.log", "engine.pid"
LEDGER = "ledger"
"""The engine's list of what it has on the machine; a file in the run directory."""
END_LIMIT = 20.0
"""Seconds that the engine may take to end before it is killed; usually milliseconds."""
LOG_TAIL = 4096  # bytes of the engine's log that a message shows


def runtime_home() -> Path:
    """The directory of live runs, which the engine sweeps: /run/pytest-containers for root, else the user's own."""
    uid = os.geteuid()
    if uid == 0:
        return Path("/run") / NAME
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.access(base, os.W_OK):
        return Path(base) / NAME
    return Path("/tmp") / f"{NAME}-{uid}"  # noqa: S108  owner and mode are checked: make_private


def new_run_directory() -> Path:
    """A name that no other run has; nothing is made."""
    return runtime_home() / f"run-{os.getpid()}-{os.urandom(3).hex()}"


def make_private(path: Path) -> None:
    """Make a directory that is this user's alone; ContainerError where somebody else's is in its place."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ContainerError(f"{path} is not a directory of user {os.geteuid()}: remove it, or set XDG_RUNTIME_DIR")
    if status.st_mode & 0o077:
        path.chmod(0o700)


class EmbeddedEngine(Engine):
    """The engine of ``container_runtime``, reached at ``RUN/docker.sock``.

    ``watched``: it ends when this process does. ``shared``: whoever needs it first starts it for all. ``idle_limit``:
    it outlives the run, and ends after so many seconds without a client.
    """

    own_addresses: bool = True

    def __init__(
        self,
        directory: Path,
        watched: int,
        *,
        shared: bool,
        timeout: float,
        log_lines: int,
        idle_limit: int | None = None,
    ) -> None:
        super().__init__(f"unix://{directory / SOCKET}", directory.name, timeout=timeout, log_lines=log_lines)
        self._directory = directory
        self._watched = watched
        self._shared = shared
        self._idle_limit = idle_limit
        self._owner = os.getpid()
        self._pid = 0
        self._lifeline = -1
        self._log = -1
        self._begun = False
        self._asked = False

    @property
    def directory(self) -> Path:
        """Its run directory."""
        return self._directory

    def spawn(self) -> None:
        """Start the process without waiting for it, where nobody has; ContainerError or OSError."""
        if self._begun:
            return
        self._begun = True
        if self._directory.exists():  # another worker was first
            return
        make_private(self._directory.parent)
        building = self._directory.with_name(f"{self._directory.name}.{os.getpid()}")
        building.mkdir(mode=0o700)
        held: list[int] = []  # what the process inherits and we let go of
        try:
            self._start(building, held)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        finally:
            for descriptor in held:
                os.close(descriptor)

    def _start(self, building: Path, held: list[int]) -> None:
        # The sweep of other engines takes directories with a free lock: it gets that name when it is locked.
        lock = os.open(building / f"{LOCK}.new", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        held.append(lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        (building / f"{LOCK}.new").rename(building / LOCK)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(os.fspath(building / SOCKET))
        (building / SOCKET).chmod(0o600)
        listener.listen(512)
        listening = listener.detach()
        held.append(listening)
        log = os.open(building / LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            building.rename(self._directory)
        except OSError:  # not empty: another worker was faster
            os.close(log)
            shutil.rmtree(building, ignore_errors=True)
            return
        self._log = log
        self._execute(listening, lock, held)
        (self._directory / PID).write_text(f"{self._pid}\n")

    def _execute(self, listening: int, lock: int, held: list[int]) -> None:
        options = ["--listen-fd", f"{listening}", "--run-directory", f"{self._directory}", "--lock-fd", f"{lock}"]
        if not self._shared:  # a worker of xdist may end before the run does: then only the controller is watched
            read, self._lifeline = os.pipe()
            held.append(read)
            options += ["--lifeline-fd", f"{read}"]
        if self._idle_limit is None:
            options += ["--watch-pid", f"{self._watched}"]
        else:
            options += ["--idle-limit", f"{self._idle_limit}"]
        self._pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", "container_runtime", "serve", *options],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, self._log, 1),
                (os.POSIX_SPAWN_DUP2, self._log, 2),
                # A descriptor onto itself: it loses close-on-exec in the child only (posix_spawn, POSIX.1-2024).
                *((os.POSIX_SPAWN_DUP2, descriptor, descriptor) for descriptor in held),
            ],
            setsid=True,  # Ctrl-C is for pytest, which then still needs the engine for its teardown
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP),
        )

    def explain(self, error: Exception) -> str:
        """The reason with the end of the engine's log, where it ended."""
        full = _no_space(self._directory.parent)
        if full:
            return f"the embedded engine cannot run: {full}"
        log = self._read_log()
        ended = f", which ended with status {self._status()}" if self._wait(1.0) else ""
        last = f"; its last words:\n{log}" if log else ""
        if isinstance(error, EngineUnreachable) and ended:
            return f"the embedded engine did not start{last or f': {error}'}"
        return f"the embedded engine cannot be used{ended}: {error}{last}"

    def _read_log(self) -> str:
        descriptor = self._log
        if descriptor < 0:  # another worker started it
            try:
                return (self._directory / LOG).read_text(errors="replace")[-LOG_TAIL:].strip()
            except OSError:
                return ""
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, LOG_TAIL, max(0, size - LOG_TAIL)).decode(errors="replace").strip()

    def _wait(self, seconds: float) -> bool:
        """Whether the process that we started has ended, or does within ``seconds``."""
        if not self._pid or os.getpid() != self._owner:
            return False
        return _await_end(os.pidfd_open(self._pid), seconds)

    def _status(self) -> int:
        ended = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended.si_status if ended else 0

    def keep(self) -> None:
        """Let it go on after the run, with the containers that are left."""
        self.client.system.keep()
        self.kept = True

    @property
    def _is_ours_to_end(self) -> bool:
        in_its_process = os.getpid() == self._owner  # and not in a forked child of a test
        return bool(self._pid) and in_its_process and not self._shared and not self.kept

    def begin_end(self) -> None:
        """Ask the engine that this process owns to end."""
        if self._is_ours_to_end and not self._asked:
            self._asked = True
            os.kill(self._pid, signal.SIGTERM)  # a child that was not waited for: the number is its own

    def close(self) -> None:
        """End the engine that this process owns, and return when everything is gone."""
        super().close()
        if os.getpid() != self._owner:
            return
        if self._is_ours_to_end:
            self.begin_end()
            _await_or_kill(os.pidfd_open(self._pid))
            os.waitid(os.P_PID, self._pid, os.WEXITED)
            _remove_unused(self._directory)
        self._pid = 0
        for descriptor in (self._lifeline, self._log):
            if descriptor >= 0:
                os.close(descriptor)
        self._lifeline = self._log = -1


def _no_space(directory: Path) -> str:
    """That nothing can be written there, and what to do; empty where it can, or there is nothing to look at."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return ""
    if found.f_bavail and (found.f_favail or not found.f_files):
        return ""
    other = "" if os.geteuid() == 0 else ", or set XDG_RUNTIME_DIR to a directory on another one"
    return f"no space is left on the filesystem of {directory} (df {directory}); free some{other}"


def _remove_unused(directory: Path) -> None:
    """Remove what an engine has left that could write nothing down, and so made nothing; others are swept."""
    try:
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # it has removed its directory, as it should
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not (directory / LEDGER).stat().st_size:
            shutil.rmtree(directory, ignore_errors=True)
    except OSError:  # somebody of it is alive, and ends it
        return
    finally:
        os.close(lock)


def end_shared(directory: Path) -> None:
    """End the engine of a run that a worker started; called by xdist's controller when the workers are gone."""
    try:
        pidfd = os.pidfd_open(int((directory / PID).read_text()))
    except (OSError, ValueError):
        _remove_unused(directory)
        return  # no test needed it, or it has ended
    client = Client(f"unix://{directory / SOCKET}", END_LIMIT)
    try:
        client.system.shutdown()
    except ClientError:
        os.close(pidfd)  # not alive, so the number may be somebody else's by now
    else:
        _end(pidfd)
    finally:
        client.close()


def _end(pidfd: int) -> None:
    """Ask for the end and wait."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
    _await_or_kill(pidfd)


def _await_or_kill(pidfd: int) -> None:
    """Wait for an end that was asked for; kill what does not listen."""
    if not _await_end(os.dup(pidfd), END_LIMIT):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)


def _await_end(pidfd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    try:
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(pidfd)
