"""Trying something in a child process: what it changes of itself ends with it, and it ends in any case.

The child has a process group of its own, which is killed when the time is over; what it leaves is handed to us
(PR_SET_CHILD_SUBREAPER) and reaped. Should the doctor itself be killed, the kernel kills the child.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.errors import KernelError
from container_runtime.kernel import syscalls, userns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from container_runtime.doctor.surroundings import Surroundings

LIMIT = 10.0
"""Seconds that a probe may take; it usually takes milliseconds."""
_REAPING = 2.0  # seconds; a process in an uninterruptible wait is left to the kernel
_MOST = 1 << 20  # bytes of an answer


class Failure(NamedTuple):
    """What was refused: the step and path where they are known, and the whole as a sentence's part."""

    message: str
    errno: int = 0
    step: str = ""
    path: str = ""


Refused = dict[str, list[Any]]
"""Failures by name, as they come through the pipe."""


class Outcome(NamedTuple):
    """A probe's value, or why there is none."""

    value: Any
    failure: Failure | None


def failure_of(error: BaseException) -> Failure:
    """An exception as a failure."""
    if isinstance(error, KernelError):
        what = f"{error.step} {error.path}".strip()
        return Failure(f"{what}: {os.strerror(error.errno)}", error.errno, error.step, error.path)
    if isinstance(error, OSError):
        path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
        text = error.strerror or str(error)
        return Failure(f"{path}: {text}" if path else text, error.errno or 0, "", path)
    return Failure(str(error) or type(error).__name__)


def adopt_orphans() -> None:
    """Have the children's children become ours when their parents end, so that they can be reaped."""
    with suppress(OSError):
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)


def attempt(function: Callable[[], Any], limit: float = LIMIT) -> Outcome:
    """Call ``function`` in a child process; its value has to be one that JSON has."""
    reading, writing = os.pipe()
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # it then waits until ``_end`` takes it
    try:
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            _live(function, writing, parent)
        os.close(writing)
        try:
            with suppress(OSError):  # it does so itself too; whoever is first
                os.setpgid(pid, pid)
            data, ended = _read(reading, time.monotonic() + limit)
        finally:
            os.close(reading)
            status = _end(pid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return _outcome(data, status, ended=ended, limit=limit)


def _outcome(data: bytes, status: int, *, ended: bool, limit: float) -> Outcome:
    try:
        value, failure = json.loads(data)
        return Outcome(value, None if failure is None else Failure(*failure))
    except (ValueError, TypeError):
        pass
    if not ended:
        return Outcome(None, Failure(f"it took longer than {limit:g} seconds", errno.ETIMEDOUT))
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return Outcome(None, Failure(f"the process was killed by {signal.Signals(number).name}"))
    return Outcome(None, Failure("the process ended without an answer"))


def _read(descriptor: int, end: float) -> tuple[bytes, bool]:
    parts: list[bytes] = []
    while (left := end - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            break
        part = os.read(descriptor, 65536)
        parts.append(part)
        # An answer ends with a newline: the children of the child may hold the pipe for longer.
        if not part or part.endswith(b"\n"):
            return b"".join(parts), True
    return b"".join(parts), False


def _end(pid: int) -> int:
    """Let the child end by itself for a moment, kill its group, reap all of it; returns the child's status.

    SIGCHLD is blocked, so that each end is awaited (sigtimedwait(2)) and none is missed.
    """
    end, status = time.monotonic() + _REAPING, 0
    grace = time.monotonic() + 0.2
    killed = False
    while (now := time.monotonic()) < end:
        try:
            found, code = os.waitpid(-pid, os.WNOHANG)
        except ChildProcessError:
            break
        if found == pid:
            status = code
        if found == 0:
            if now >= grace and not killed:
                killed = True
                with suppress(OSError):
                    os.killpg(pid, signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, (end if killed else grace) - now)
    return status


def _live(function: Callable[[], Any], writing: int, parent: int) -> None:
    """The child's life; does not return."""
    try:
        os.setpgid(0, 0)
        die_with_parent()
        if os.getppid() != parent:  # it ended before the kernel was told
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        answer: list[Any]
        try:
            answer = [function(), None]
        except Exception as error:  # noqa: BLE001  an answer too, and nobody above to catch it
            answer = [None, failure_of(error)]
        data = json.dumps(answer).encode()[:_MOST] + b"\n"
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)


def die_with_parent() -> None:
    """Ask for SIGKILL at the parent's end; to be asked again after a change of credentials (prctl(2))."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)


def as_engine(here: Surroundings, function: Callable[[], Any], flags: int = 0) -> Outcome:
    """Call ``function`` in a child with an engine's rights, in a private mount namespace and those of ``flags``."""

    def live() -> Any:
        enter(here)
        private_namespaces(flags)
        return function()

    return attempt(live)


def enter(here: Surroundings) -> None:
    """Enter the user namespace that the engine would enter, where it would."""
    if here.needs_user_namespace:
        userns.enter()
        die_with_parent()


def private_namespaces(flags: int = 0) -> None:
    """A mount namespace of which nothing comes back to the machine, and those of ``flags``."""
    with step("make a mount namespace" + (" and others" if flags else "")):
        syscalls.unshare(syscalls.CLONE_NEWNS | flags)
    with step("make mounts private"):
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)


@contextmanager
def step(name: str, path: str = "") -> Generator[None]:
    """Give what the kernel refuses in the block a name.

    Raises:
        KernelError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise KernelError(name, path, error.errno or errno.EIO) from None
