"""A child that makes system calls from a list and nothing else, so that Python need not be forked for it.

A fork copies the page tables of the interpreter, and each page that either side writes to afterwards costs a fault:
most of what an exec took. This child shares the memory of its parent instead, which the kernel suspends until the
child has called execve or ended (CLONE_VM and CLONE_VFORK, clone(2)). Such a child must not run Python, nor anything
else that writes to the memory of its parent: it runs a loop of 30 machine instructions, which takes calls from a table
that was filled before, and writes their results there. It has no stack of its own, as it uses none.

Who makes such children is not to be one that others cannot do without: it sleeps as long as its child does not get on,
and where the out-of-memory killer takes the child, it takes all that share its memory (kernel: mm/oom_kill.c).
"""

from __future__ import annotations

import ctypes
import os
import struct

from container_runtime.kernel import filters
from container_runtime.kernel import syscalls as sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBERS = {  # asm/unistd_64.h
    "write": 1, "rt_sigaction": 13, "rt_sigprocmask": 14, "dup2": 33, "execve": 59, "chdir": 80, "fchown": 93,
    "umask": 95, "setsid": 112, "setgroups": 116, "setresuid": 117, "setresgid": 119, "capset": 126, "prctl": 157,
    "keyctl": 250, "prlimit64": 302, "setns": 308, "seccomp": 317,
}  # fmt: skip

# long run(struct clone_args *, size_t, struct row *): the System V calling convention, syscall(2) for the kernel's.
_X86_64 = bytes.fromhex(
    "f30f1efa"  #       endbr64              an indirect call's target
    "53"  #             push rbx
    "4889d3"  #         mov rbx, rdx         the table
    "b8b3010000"  #     mov eax, 435         clone3
    "0f05"  #           syscall
    "4885c0"  #         test rax, rax
    "7402"  #           jz child
    "5b"  #             pop rbx
    "c3"  #             ret                  the parent: pid, or -errno
    "488b4308"  # child: mov rax, [rbx+8]    number
    "488b7b10"  #       mov rdi, [rbx+16]    six arguments
    "488b7318"  #       mov rsi, [rbx+24]
    "488b5320"  #       mov rdx, [rbx+32]
    "4c8b5328"  #       mov r10, [rbx+40]
    "4c8b4330"  #       mov r8, [rbx+48]
    "4c8b4b38"  #       mov r9, [rbx+56]
    "0f05"  #           syscall
    "488903"  #         mov [rbx], rax       result
    "4885c0"  #         test rax, rax
    "790d"  #           jns next
    "48f7d8"  #         neg rax
    "488b4b40"  #       mov rcx, [rbx+64]    errors that do not matter, bit (errno mod 64)
    "480fa3c1"  #       bt rcx, rax
    "7306"  #           jnc stop
    "4883c348"  # next: add rbx, 72
    "ebc7"  #           jmp child
    "bf7f000000"  # stop: mov edi, 127
    "b8e7000000"  #     mov eax, 231         exit_group
    "0f05"  #           syscall
)
_ROW = struct.Struct("=q7QQ")
_NOT_MADE = -(1 << 63)
_MASK = (1 << 64) - 1
_CLONE_VM, _CLONE_VFORK, _CLONE_CLEAR_SIGHAND = 0x100, 0x4000, 0x100000000  # linux/sched.h
_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.PyDLL(None, use_errno=True)
_function = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_loaded: list[object] = []


def available() -> bool:
    """Whether this machine can do it: x86-64, and memory that is executable may be made (SELinux: execmem)."""
    if not _loaded:
        _loaded.append(_load())
    return _loaded[0] is not None


def _load() -> object:
    if sys.MACHINE != "x86_64":
        return None
    _libc.mmap.restype = ctypes.c_void_p
    _libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    _libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = _libc.mmap(None, 4096, 1 | 2, 0x22, -1, 0)  # PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, mmap(2)
    if page == _FAILED:
        return None
    ctypes.memmove(page, _X86_64, len(_X86_64))
    if _libc.mprotect(page, 4096, 1 | 4) < 0:  # PROT_READ | PROT_EXEC: never writable and executable at once
        return None
    return _function(page)


class Calls:
    """System calls for a child to make, in order; the first that fails ends it with status 127."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []
        self._names: list[tuple[str, object, int]] = []
        self._kept: list[object] = []
        self._results: list[int] = []

    def add(
        self,
        name: str,
        *arguments: int | bytes | object,
        ignoring: Iterable[int] = (),
        step: str = "start",
        path: object = "",
    ) -> None:
        """``arguments``: numbers; of bytes and of ctypes objects the address is given. ``ignoring``: errno values.

        ``step`` and ``path`` are what ``failure`` says.
        """
        numbers = [argument & _MASK if isinstance(argument, int) else self._address(argument) for argument in arguments]
        ignored = 0
        for number in ignoring:
            ignored |= 1 << number % 64
        numbers += [0] * (6 - len(numbers))
        self._rows.append(_ROW.pack(_NOT_MADE, _NUMBERS[name], *numbers, ignored))
        self._names.append((step, path, ignored))

    def extend(self, others: Calls) -> None:
        """Have those made next."""
        self._rows += others._rows
        self._names += others._names
        self._kept.append(others)

    def _address(self, data: object) -> int:
        self._kept.append(data)
        if isinstance(data, bytes):
            data = ctypes.create_string_buffer(data)
        elif isinstance(data, filters.SeccompFilter):
            data = data.head
        self._kept.append(data)
        return ctypes.addressof(data)  # pyright: ignore[reportArgumentType]  any ctypes object

    def run(self, cgroup: int | None, *, sibling: bool = False) -> tuple[int, int]:
        """clone3(2); returns when the child has called execve or ended: (pid, pidfd).

        ``cgroup``: as for ``syscalls.clone3``. ``sibling``: it becomes a child of the caller's parent (CLONE_PARENT).
        Signals that the caller handles are the default ones in the child. Its change of user makes the memory that it
        shares undumpable, which execve does not undo for the caller (prctl(2), PR_SET_DUMPABLE).

        Raises:
            OSError: of clone3.
        """
        table = ctypes.create_string_buffer(b"".join(self._rows))
        pidfd = ctypes.c_int(-1)
        flags = _CLONE_VM | _CLONE_VFORK | _CLONE_CLEAR_SIGHAND | sys.CLONE_PIDFD
        if cgroup is not None:
            flags |= sys.CLONE_INTO_CGROUP
        if sibling:
            flags |= sys.CLONE_PARENT
        arguments = sys.clone_arguments(flags, ctypes.addressof(pidfd), cgroup or 0)
        pid: int = _loaded[0](ctypes.addressof(arguments), ctypes.sizeof(arguments), ctypes.addressof(table))  # type: ignore[operator]
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        self._results = [row[0] for row in _ROW.iter_unpack(table.raw[:-1])]
        return pid, pidfd.value

    def failure(self) -> tuple[str, object, int] | None:
        """(step, path, errno) of the call that ended the child; None where it has called execve, or was killed."""
        for (step, path, ignored), result in zip(self._names, self._results, strict=True):
            if _NOT_MADE < result < 0 and not ignored >> -result % 64 & 1:
                return step, path, -result
        return None

    def begun(self, step: str) -> bool:
        """Whether the child came to this step, where no call failed: else it was killed before."""
        first = next(index for index, (name, _, _) in enumerate(self._names) if name == step)
        return first == 0 or self._results[first - 1] != _NOT_MADE

    def refused(self, step: str) -> list[tuple[object, int]]:
        """The path and the errno of each call of a step that failed, whether that mattered or not."""
        return [
            (path, -result)
            for (name, path, _), result in zip(self._names, self._results, strict=True)
            if name == step and _NOT_MADE < result < 0
        ]
