"""A container's first process from its birth to execve: what it enters, then the steps, then its program."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  the C module: ``signal`` imports enum
import errno
import os

from container_runtime.kernel import syscalls as sys
from container_runtime.launcher.child import Child, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


READY = b"\1"
"""What a report begins with where all steps have been done: without it its end is not that of a successful execve."""

_LONGEST = 1000
"""Characters of a path in a report: all of it fits into a pipe, of a user with many of them too (4096 bytes, pipe(7)).

It is read when its writer has gone.
"""

IGNORED = (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)
"""By Python and by the launcher."""

_PATH = b"/usr/sbin:/usr/bin:/sbin:/bin"
SEARCH_ON = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM})


def enter_cgroups(task_files: Sequence[str]) -> None:
    """Write the calling process into each group: "0" means the writer (cgroups(7))."""
    for path in task_files:
        write_file(path, "0")


def take_stdio(descriptors: Sequence[int]) -> None:
    """Make ``descriptors`` 0, 1 and 2; they are above 2 themselves, as the launcher keeps its own three open."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number, inheritable=True)


def reset_signals() -> None:
    """What Python (SIGPIPE, SIGXFSZ) and the launcher ignore, the program would ignore too: execve(2) keeps that."""
    for signal in IGNORED:
        _signal.signal(signal, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


class Execution:
    """The program of an OCI ``process`` with its arguments, laid out where it is made: before the fork, if it can be.

    Each page that the child writes to is copied first, and Python writes to whatever it touches.
    """

    __slots__ = ("_found", "_name", "candidates", "program")

    def __init__(self, process: dict[str, Any]) -> None:
        self._name: str = process["args"][0]
        environ = [os.fsencode(entry) for entry in process.get("env") or []]
        self.program = sys.Program([os.fsencode(argument) for argument in process["args"]], environ)
        program = os.fsencode(self._name)
        self._found = b"/" in program
        path = next((entry[5:] for entry in environ if entry.startswith(b"PATH=")), _PATH)
        places = [(directory or b".") + b"/" + program for directory in path.split(b":")]
        self.candidates = [program] if self._found else places

    def start(self) -> None:
        """execve(2) of the first argument, searched along the container's own PATH as execvp(3) does.

        Returns only by raising: FileNotFoundError (Docker's exit code 127) or another OSError (126), with a filename.
        """
        refusals: list[tuple[bytes, int]] = []
        for path in self.candidates:
            refusals.append((path, self.program.start(path)))
            if refusals[-1][1] not in SEARCH_ON:
                break
        raise self.error(refusals)

    def error(self, refusals: Sequence[tuple[object, int]]) -> OSError:
        """What to say of these paths and errno values, in the order of the search."""
        path, number = refusals[-1]
        if not self._found and number in SEARCH_ON:
            denied = [one for one in refusals if one[1] in {errno.EACCES, errno.EPERM}]
            if not denied:
                return OSError(errno.ENOENT, "executable file not found in $PATH", self._name)
            path, number = denied[-1]
        return OSError(number, os.strerror(number), path)


class Entry:
    """What comes before the steps: descriptors, cgroups, and the namespaces that are not cloned into."""

    def __init__(
        self,
        stdio: list[int],
        task_files: list[str],
        cgroup_namespace: bool = False,
        joined: Sequence[tuple[str | int, int]] = (),
        *,
        unseen: bool = False,
    ) -> None:
        """``joined``: namespace files (or a pidfd) and their types. ``unseen``: for where others are already."""
        self.unseen = unseen
        self.stdio = stdio
        self.task_files = task_files
        self.cgroup_namespace = cgroup_namespace
        self.joined = joined

    def __call__(self) -> None:
        """The cgroups come first: a namespace of theirs shows as "/" what the process is in when it is made."""
        take_stdio(self.stdio)
        if self.unseen:
            # Until execve, which sets it back, it is the launcher's memory and program (CVE-2019-5736); prctl(2).
            sys.prctl(sys.PR_SET_DUMPABLE, 0)
        enter_cgroups(self.task_files)
        if self.cgroup_namespace:
            sys.unshare(sys.CLONE_NEWCGROUP)
        for place, flag in self.joined:
            descriptor = place if isinstance(place, int) else os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            sys.setns(descriptor, flag)


def run_steps(report: int, steps: Sequence[tuple[Any, ...]], child: Child) -> None:
    """Execute steps; the first that fails is ``described`` in ``report`` and ends the process."""
    name, path = "start", ""
    try:
        for name, *arguments in steps:
            path = arguments[0] if arguments else ""
            getattr(child, name)(*arguments)
    except OSError as error:
        # A descriptor's path says nothing to people: then what the step was given.
        named = error.filename is not None and not str(error.filename).startswith("/proc/self/fd/")
        _fail(report, name, error.filename if named else path, error.errno or errno.EIO)
    except BaseException as error:  # noqa: BLE001  nothing above could catch it: this is a forked child
        _fail(report, name, f"{type(error).__name__}: {error}", errno.EINVAL)


def described(step: str, path: object, number: int) -> bytes:
    """What a report says of a failure: "step NUL path NUL errno"."""
    text = (os.fsdecode(path) if isinstance(path, (str, bytes)) else str(path))[:_LONGEST]
    return f"{step}\0{text}\0{number}".encode("utf-8", "surrogateescape")


def _fail(report: int, step: str, path: object, number: int) -> None:
    os.write(report, described(step, path, number))
    os._exit(127)


def enter(report: int, entry: Callable[[], None]) -> None:
    """Enter, and drop what the launcher set for itself. Errors are reported as by ``run_steps``."""
    try:
        entry()
        reset_signals()
        os.umask(0)
    except OSError as error:
        _fail(report, "start", error.filename or "", error.errno or errno.EIO)


def run(
    report: int, entry: Callable[[], None], steps: list[tuple[Any, ...]], child: Child, start: Callable[[], None]
) -> None:
    """The child's whole life before execve; does not return. Errors are reported as by ``run_steps``.

    ``start``: ``Execution.start``.
    """
    enter(report, entry)
    run_steps(report, steps, child)
    os.write(report, READY)
    try:
        start()
    except OSError as error:
        _fail(report, "exec", error.filename, error.errno or errno.EIO)
    except BaseException as error:  # noqa: BLE001  as above
        _fail(report, "exec", f"{type(error).__name__}: {error}", errno.EINVAL)
