"""``--init``: a first process that reaps orphans and passes signals on, with the behaviour of tini.

It is a copy of the launcher that never calls execve, so that the image need not have any program for it. It has the
container's user, capabilities and filter, since they were set before. Its memory still has the launcher's, so others
in the container may not look into it (prctl(2), PR_SET_DUMPABLE), and it keeps no descriptor but the three streams.

Source of the rules: github.com/krallin/tini, src/tini.c.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  the C module: ``signal`` imports enum
import errno
import os

from container_runtime.kernel import syscalls as sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "docker-init"
# Those that a process gets for what it did itself, and those that stop who writes to a terminal from the background.
_OWN = (
    _signal.SIGFPE, _signal.SIGILL, _signal.SIGSEGV, _signal.SIGBUS, _signal.SIGABRT, _signal.SIGTRAP, _signal.SIGSYS,
    _signal.SIGTTIN, _signal.SIGTTOU,
)  # fmt: skip

title: Callable[[bytes], None] = lambda _text: None  # noqa: E731
"""Sets what ps shows; ``prepare`` finds out where, as long as there is a /proc to ask."""


def prepare() -> None:
    """In the launcher, once."""
    global title  # noqa: PLW0603  one launcher, one argument area
    title = sys.title_setter()


def split_off(arguments: list[str]) -> None:
    """Fork. The new process returns, to become the program; this one stays, and never returns."""
    signals = _signal.valid_signals() - set(_OWN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, signals)  # before there is a child: no signal is lost
    sys.prctl(sys.PR_SET_DUMPABLE, 0)  # execve(2) sets it back
    program = os.fork()
    if program == 0:
        _become_foreground()
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        return
    try:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        for signal in (_signal.SIGTTIN, _signal.SIGTTOU):
            _signal.signal(signal, _signal.SIG_IGN)
        sys.set_name(NAME)
        title(os.fsencode(" ".join((f"/sbin/{NAME}", "--", *arguments))))
        serve(program, signals)
    finally:
        os._exit(255)


def _become_foreground() -> None:
    """A process group of its own, which Ctrl-C goes to where there is a terminal."""
    os.setpgid(0, 0)
    ignored = _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGTTOU})
    try:
        os.tcsetpgrp(0, os.getpgrp())
    except OSError as error:
        if error.errno not in {errno.ENOTTY, errno.ENXIO, errno.EBADF}:
            raise
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ignored)


def serve(program: int, signals: set[int]) -> None:
    """Pass signals on and reap, until ``program`` has ended; then end as it did."""
    while True:
        signal = _signal.sigwaitinfo(signals).si_signo
        if signal == _signal.SIGCHLD:
            _reap(program)
            continue
        try:
            os.kill(program, signal)
        except (ProcessLookupError, PermissionError):  # it has become another user's
            pass


def _reap(program: int) -> None:
    """All that have ended; the exit code of one that a signal killed is 128 and its number."""
    code = -1
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            break
        if pid == program:
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
    if code >= 0:
        os._exit(code)
