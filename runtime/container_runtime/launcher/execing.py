"""One more process of a container, without a fork of Python: the steps of an exec as a list of system calls.

What ``child`` and ``entry`` do for the same steps, as far as it can be said without looking at results. Where it can
not (a terminal, rights that the launcher itself lacks) or where the machine cannot do it, ``compile_calls`` returns
None, and the exec is forked.
"""

from __future__ import annotations

import errno
import os
import struct

from container_runtime.kernel import syscalls as sys
from container_runtime.kernel import vfork
from container_runtime.launcher.entry import IGNORED, SEARCH_ON, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from container_runtime.launcher.entry import Execution
    from container_runtime.launcher.operations import Step

_SIG_SETMASK, _SIGNAL_SET = 2, 8  # rt_sigprocmask(2): bytes of the kernel's sigset_t
_JOIN_SESSION_KEYRING = 1  # keyctl(2)
_NULL = os.makedev(1, 3)
_DEFAULT_ACTION = bytes(32)  # struct sigaction of the kernel: SIG_DFL, no flags, no restorer, no mask
_LAST_CAPABILITY = 63  # of the 64 bits of a set; EINVAL for those that the kernel does not know

_WAITING = (b"nfs", b"cifs", b"smb3", b"9p", b"afs", b"ceph", b"lustre", b"autofs", b"fuse", b"virtiofs")
"""What the types of filesystems begin with that may keep a process waiting for another one, or for another machine.

The launcher is suspended until the execve is done: there, that is not to be.
"""


def may_wait(pid: int) -> bool:
    """Whether a mount that the process sees is of such a filesystem, proc_pid_mountinfo(5)."""
    descriptor = os.open(f"/proc/{pid}/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = b""
        while piece := os.read(descriptor, 1 << 16):
            text += piece
    finally:
        os.close(descriptor)
    return lists_one_that_waits(text)


def lists_one_that_waits(mounts: bytes) -> bool:
    """Whether the lines of a mountinfo, proc_pid_mountinfo(5), have such a filesystem: its type follows " - "."""
    return any(line.partition(b" - ")[2].startswith(_WAITING) for line in mounts.splitlines())


def compile_calls(
    *,
    stdio: Sequence[int],
    task_files: Sequence[int],
    namespaces: tuple[int, int],
    steps: Sequence[Step],
    seccomp: bytes,
    execution: Execution,
) -> vfork.Calls | None:
    """All that a child born in the right pid namespace has to do; None where it has to be forked.

    ``task_files``: descriptors of the groups' files, open for writing. ``namespaces``: a pidfd and the types.
    ``seccomp``: the compiled filter.
    """
    if not vfork.available():
        return None
    calls = vfork.Calls()
    for number, descriptor in enumerate(stdio):
        calls.add("dup2", descriptor, number)
    for descriptor in task_files:
        calls.add("write", descriptor, b"0", 1)
    calls.add("setns", *namespaces)
    for step in steps:
        if step[0] == "own_streams":
            _own_streams(calls, stdio, step[1])
    translated = _translated([step for step in steps if step[0] != "own_streams"], seccomp)
    if translated is None:
        return None
    calls.extend(translated)
    argv, environ = execution.program.vectors
    for path in execution.candidates:
        last = path == execution.candidates[-1]
        calls.add("execve", path, argv, environ, ignoring=() if last else SEARCH_ON, step="exec", path=path)
    return calls


def _own_streams(calls: vfork.Calls, stdio: Sequence[int], uid: int) -> None:
    for number, descriptor in enumerate(stdio):
        status = os.fstat(descriptor)
        if status.st_uid != uid and status.st_rdev != _NULL:
            ignoring = (errno.EINVAL, errno.EPERM, errno.EROFS)
            calls.add("fchown", number, uid, -1, ignoring=ignoring, step="own_streams", path=uid)


_MOST_KEPT = 64
_kept: dict[tuple[str, bytes], vfork.Calls | None] = {}
"""By the steps and the filter: a container's execs are mostly alike."""


def _translated(steps: Sequence[Step], seccomp: bytes) -> vfork.Calls | None:
    key = (repr(steps), seccomp)
    if key not in _kept:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        calls = vfork.Calls()
        done = all(
            name in _TRANSLATIONS and _TRANSLATIONS[name](_Step(calls, name, seccomp), *arguments)
            for name, *arguments in steps
        )
        _kept[key] = calls if done else None
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


def _rlimit(step: _Step, number: int, soft: int, hard: int) -> bool:
    step.add("prlimit64", 0, number, struct.pack("=QQ", soft, hard), 0, path=number)
    return True


def _session(step: _Step, terminal: bool) -> bool:
    step.add("setsid")
    # From here on no Ctrl-C reaches it, which the launcher ignores.
    for signal in IGNORED:
        step.add("rt_sigaction", signal, _DEFAULT_ACTION, 0, _SIGNAL_SET)
    step.add("rt_sigprocmask", _SIG_SETMASK, bytes(_SIGNAL_SET), 0, _SIGNAL_SET)
    step.add(
        *("keyctl", _JOIN_SESSION_KEYRING, b"_ses.container"),
        ignoring=(errno.ENOSYS, errno.EPERM, errno.EDQUOT),
    )
    return not terminal


def _bounding(step: _Step, kept: int) -> bool:
    for number in range(_LAST_CAPABILITY + 1):
        if not kept >> number & 1:
            step.add("prctl", sys.PR_CAPBSET_DROP, number, ignoring=(errno.EINVAL,), path=kept)
    return True


def _no_new_privileges(step: _Step) -> bool:
    step.add("prctl", sys.PR_SET_NO_NEW_PRIVS, 1)
    return True


def _seccomp(step: _Step) -> bool:
    step.add("seccomp", sys.SECCOMP_SET_MODE_FILTER, 0, sys.SeccompFilter(step.seccomp))
    return True


def _identity(step: _Step, uid: int, gid: int, groups: list[int], keep: bool) -> bool:
    if keep:
        step.add("prctl", sys.PR_SET_KEEPCAPS, 1, path=uid)
    # EPERM with one mapped id (user_namespaces(7), /proc/PID/setgroups).
    ignoring = () if set(groups) - {gid} else (errno.EPERM,)
    step.add("setgroups", len(groups), struct.pack(f"={len(groups)}I", *groups), ignoring=ignoring, path=uid)
    step.add("setresgid", gid, gid, gid, path=uid)
    step.add("setresuid", uid, uid, uid, path=uid)
    return True


def _capabilities(step: _Step, effective: int, permitted: int, inheritable: int, ambient: int) -> bool:
    if ambient or (effective | permitted | inheritable) & ~_held():
        return False
    header, data = sys.capability_arguments(effective, permitted, inheritable)
    step.add("capset", header, data, path=effective)
    return True


def _umask(step: _Step, mask: int) -> bool:
    step.add("umask", mask)
    return True


def _directory(step: _Step, path: str) -> bool:
    step.add("chdir", os.fsencode(path), path=path)
    return True


_TRANSLATIONS: dict[str, Callable[..., bool]] = {
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
"""Each returns whether the step can be taken so; the names are those of ``operations``."""

_own: list[int] = []


def _held() -> int:
    """The launcher's own bounding set."""
    if not _own:
        _own.append(sys.bounding_set())
    return _own[0]
