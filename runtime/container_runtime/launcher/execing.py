"""One more process of a container, without a fork of Python: the steps of an exec as a list of system calls.

The same as ``child`` and ``entry`` do for these steps, as far as it can be said before any is taken.
"""

from __future__ import annotations

import errno
import os
import struct

from container_runtime.kernel import filters, vfork
from container_runtime.kernel import syscalls as sys
from container_runtime.launcher.entry import IGNORED, SEARCH_ON, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from container_runtime.launcher.entry import Execution
    from container_runtime.launcher.operations import Step

_SIG_SETMASK, _SIGNAL_SET = 2, 8  # rt_sigprocmask(2): bytes of the kernel's sigset_t
_JOIN_SESSION_KEYRING = 1  # keyctl(2)
_NULL = os.makedev(1, 3)
_DEFAULT_ACTION = bytes(32)  # struct sigaction of the kernel: SIG_DFL, no flags, no restorer, no mask
_LAST_CAPABILITY = 63  # of the 64 bits of a set; EINVAL for those that the kernel does not know


def can_be_said(steps: Sequence[Step]) -> bool:
    """Whether the steps of ``operations.compile_exec`` are known before one is taken, on a machine that can do it.

    A terminal is opened by what is found; where the launcher itself lacks capabilities, those that it has are tried.
    """
    return vfork.available() and all(_can_be_said(*step) for step in steps)


def _can_be_said(name: str, *arguments: Any) -> bool:
    if name == "capabilities":
        effective, permitted, inheritable, ambient = arguments
        return not ambient and not (effective | permitted | inheritable) & ~_held()
    return name == "own_streams" or name in _TRANSLATIONS


def compile_calls(
    *,
    stdio: Sequence[int],
    task_files: Sequence[int],
    namespaces: tuple[int, int],
    steps: Sequence[Step],
    seccomp: bytes,
    execution: Execution,
) -> vfork.Calls:
    """All that a child born in the right pid namespace has to do, where it ``can_be_said``.

    ``task_files``: descriptors of the groups' files, open for writing. ``namespaces``: a pidfd and the types.
    ``seccomp``: the compiled filter.
    """
    calls = vfork.Calls()
    for number, descriptor in enumerate(stdio):
        calls.add("dup2", descriptor, number)
    for descriptor in task_files:
        calls.add("write", descriptor, b"0", 1)
    calls.add("setns", *namespaces)
    for step in steps:
        if step[0] == "own_streams":
            _own_streams(calls, stdio, step[1])
    calls.extend(_translated([step for step in steps if step[0] != "own_streams"], seccomp))
    add_search(calls, execution)
    return calls


def add_search(calls: vfork.Calls, execution: Execution) -> None:
    """The calls of ``Execution.start``: one for each place, of which the last one ends the child."""
    argv, environ = execution.program.vectors
    last = len(execution.candidates) - 1  # by its place: a PATH may name a directory twice
    for index, path in enumerate(execution.candidates):
        ignoring = SEARCH_ON if index < last else ()
        calls.add("execve", path, argv, environ, ignoring=ignoring, step="exec", path=path)


def _own_streams(calls: vfork.Calls, stdio: Sequence[int], uid: int) -> None:
    for number, descriptor in enumerate(stdio):
        status = os.fstat(descriptor)
        if status.st_uid != uid and status.st_rdev != _NULL:
            ignoring = (errno.EINVAL, errno.EPERM, errno.EROFS)
            calls.add("fchown", number, uid, -1, ignoring=ignoring, step="own_streams", path=uid)


_MOST_KEPT = 64
_kept: dict[tuple[str, bytes], vfork.Calls] = {}
"""By the steps and the filter: a container's execs are mostly alike."""


def _translated(steps: Sequence[Step], seccomp: bytes) -> vfork.Calls:
    key = (repr(steps), seccomp)
    if key not in _kept:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        calls = _kept[key] = vfork.Calls()
        for name, *arguments in steps:
            _TRANSLATIONS[name](_Step(calls, name, seccomp), *arguments)
    return _kept[key]


def error_of(calls: vfork.Calls, execution: Execution) -> bytes:
    """What a report would say (``entry.described``) of calls that were made; empty where none ended the child."""
    failure = calls.failure()
    if failure is None:
        return b""
    step, path, number = failure
    if step == "exec":
        error = execution.error(calls.refused(step))
        path, number = error.filename, error.errno or number
    return described(step, path, number)


class _Step:
    """Where the calls of one step go."""

    def __init__(self, calls: vfork.Calls, name: str, seccomp: bytes) -> None:
        self._calls = calls
        self._name = name
        self.seccomp = seccomp

    def add(self, name: str, *arguments: object, ignoring: Sequence[int] = (), path: object = "") -> None:
        self._calls.add(name, *arguments, ignoring=ignoring, step=self._name, path=path)


def _rlimit(step: _Step, number: int, soft: int, hard: int) -> None:
    step.add("prlimit64", 0, number, struct.pack("=QQ", soft, hard), 0, path=number)


def _session(step: _Step, terminal: bool) -> None:
    del terminal  # there is none
    step.add("setsid")
    # From here on no Ctrl-C reaches it, which the launcher ignores.
    for signal in IGNORED:
        step.add("rt_sigaction", signal, _DEFAULT_ACTION, 0, _SIGNAL_SET)
    step.add("rt_sigprocmask", _SIG_SETMASK, bytes(_SIGNAL_SET), 0, _SIGNAL_SET)
    step.add(
        *("keyctl", _JOIN_SESSION_KEYRING, b"_ses.container"),
        ignoring=(errno.ENOSYS, errno.EPERM, errno.EDQUOT),
    )


def _bounding(step: _Step, kept: int) -> None:
    for number in range(_LAST_CAPABILITY + 1):
        if not kept >> number & 1:
            step.add("prctl", sys.PR_CAPBSET_DROP, number, ignoring=(errno.EINVAL,), path=kept)


def _no_new_privileges(step: _Step) -> None:
    step.add("prctl", sys.PR_SET_NO_NEW_PRIVS, 1)


def _seccomp(step: _Step) -> None:
    step.add("seccomp", filters.SECCOMP_SET_MODE_FILTER, 0, filters.SeccompFilter(step.seccomp))


def _identity(step: _Step, uid: int, gid: int, groups: list[int], keep: bool) -> None:
    if keep:
        step.add("prctl", sys.PR_SET_KEEPCAPS, 1, path=uid)
    # EPERM with one mapped id (user_namespaces(7), /proc/PID/setgroups).
    ignoring = () if set(groups) - {gid} else (errno.EPERM,)
    step.add("setgroups", len(groups), struct.pack(f"={len(groups)}I", *groups), ignoring=ignoring, path=uid)
    step.add("setresgid", gid, gid, gid, path=uid)
    step.add("setresuid", uid, uid, uid, path=uid)


def _capabilities(step: _Step, effective: int, permitted: int, inheritable: int, ambient: int) -> None:
    del ambient  # there are none
    header, data = sys.capability_arguments(effective, permitted, inheritable)
    step.add("capset", header, data, path=effective)


def _umask(step: _Step, mask: int) -> None:
    step.add("umask", mask)


def _directory(step: _Step, path: str) -> None:
    step.add("chdir", os.fsencode(path), path=path)


_TRANSLATIONS: dict[str, Callable[..., None]] = {
    "rlimit": _rlimit,
    "session": _session,
    "bounding": _bounding,
    "no_new_privileges": _no_new_privileges,
    "seccomp": _seccomp,
    "identity": _identity,
    "capabilities": _capabilities,
    "umask": _umask,
    "directory": _directory,
}
"""The names are those of ``operations``."""

_own: list[int] = []


def _held() -> int:
    """The launcher's own bounding set."""
    if not _own:
        _own.append(sys.bounding_set())
    return _own[0]
