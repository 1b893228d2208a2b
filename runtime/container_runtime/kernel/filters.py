"""Programs that the kernel runs for us: seccomp filters, and bpf(2)."""

from __future__ import annotations

import ctypes
import struct

from container_runtime.kernel.syscalls import check, number_of, system_call

SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG = 1, 2  # seccomp(2)

_seccomp = system_call(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p)
_bpf = system_call(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)


class SeccompFilter:
    """A classic BPF program (8 bytes an instruction, host order) for seccomp(2), laid out before a fork."""

    __slots__ = ("_code", "_head")

    def __init__(self, program: bytes) -> None:
        self._code = ctypes.create_string_buffer(program, len(program))
        # struct sock_fprog: unsigned short len, padding to the pointer.
        fields = struct.pack("@HP", len(program) // 8, ctypes.addressof(self._code))
        self._head = ctypes.create_string_buffer(fields, 16)

    @property
    def head(self) -> object:
        """struct sock_fprog, which points to the program and lives as long as this."""
        return self._head

    def load(self) -> None:
        """SECCOMP_SET_MODE_FILTER for the calling thread."""
        check(_seccomp(number_of("seccomp"), SECCOMP_SET_MODE_FILTER, 0, self._head))


def seccomp_set_filter(program: bytes) -> None:
    """seccomp(2) SECCOMP_SET_MODE_FILTER with ``program`` as ``SeccompFilter`` takes it."""
    SeccompFilter(program).load()


def bpf(command: int, attributes: bytes) -> int:
    """bpf(2) with ``union bpf_attr`` given as its bytes."""
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return check(
        _bpf(
            number_of("bpf"),
            command,
            ctypes.addressof(buffer),
            len(attributes),
        )
    )
