"""OCI device rules as an eBPF program for cgroup v2, which has no devices controller (bpf(2), cgroup-v2.rst).

The program gets ``struct bpf_cgroup_dev_ctx``: access_type (low 16 bits the type, high 16 bits the access), major,
minor; it returns 1 to allow and 0 to refuse. The last rule that matches decides, so the rules are tried backwards.
"""

from __future__ import annotations

import os
import struct

from container_runtime.kernel import filters, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BPF_PROG_LOAD, _BPF_PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE, _ATTACH_CGROUP_DEVICE = 15, 6
_TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR
_ACCESS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_MKNOD, _READ, _WRITE

# linux/bpf_common.h: class | size or operation | source
_LOAD_WORD, _MOVE, _MOVE_REGISTER = 0x61, 0xB4, 0xBC
_AND, _SHIFT_RIGHT, _EXIT, _JUMP_NOT_EQUAL, _JUMP_NOT_EQUAL_REGISTER = 0x54, 0x74, 0x95, 0x56, 0x5E


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, target | source << 4, offset, value)


def _rule(rule: dict[str, Any]) -> bytes:
    """The code of one rule; r2 type, r3 access, r4 major, r5 minor."""
    kind, access = rule.get("type") or "a", rule.get("access") or "rwm"
    checks: list[tuple[bytes, int]] = []  # code before the jump, and the jump's (register, value) packed below
    body: list[bytes] = []
    if kind in _TYPES:
        checks.append((b"", 2 << 32 | _TYPES[kind]))
    mask = sum(_ACCESS[letter] for letter in access)
    if kind != "a" and mask != 7:
        # Every access that is asked for has to be in the rule: access & mask == access, by registers r1 and r3.
        body.append(_instruction(_MOVE_REGISTER, 1, 3) + _instruction(_AND, 1, value=mask))
    for register, key in ((4, "major"), (5, "minor")):
        number = rule.get(key)
        if kind != "a" and number is not None and number >= 0:
            checks.append((b"", register << 32 | number))
    verdict = _instruction(_MOVE, 0, value=1 if rule.get("allow") else 0) + _instruction(_EXIT)
    # Built from the end, so that each jump knows how far it is to the next rule.
    code = verdict
    for _, packed in reversed(checks):
        jump = _instruction(_JUMP_NOT_EQUAL, packed >> 32, offset=len(code) // 8, value=packed & 0xFFFFFFFF)
        code = jump + code
    if body:
        code = body[0] + _instruction(_JUMP_NOT_EQUAL_REGISTER, 1, 3, offset=len(code) // 8) + code
    return code


def assemble(rules: list[dict[str, Any]]) -> bytes:
    """The program for ``rules`` in the order of config.json; without a match access is refused."""
    code = b"".join(
        (
            _instruction(_LOAD_WORD, 2, 1, 0),
            _instruction(_AND, 2, value=0xFFFF),
            _instruction(_LOAD_WORD, 3, 1, 0),
            _instruction(_SHIFT_RIGHT, 3, value=16),
            _instruction(_LOAD_WORD, 4, 1, 4),
            _instruction(_LOAD_WORD, 5, 1, 8),
        )
    )
    for rule in reversed(rules):
        code += _rule(rule)
        if (rule.get("type") or "a") == "a":
            return code
    return code + _instruction(_MOVE, 0, value=0) + _instruction(_EXIT)


def attach(group: int, program: bytes) -> None:
    """Load ``program`` and attach it to the group whose directory descriptor is ``group``; it lives as long."""
    code, keep_code = syscalls.address_of(program)
    licence, keep_licence = syscalls.address_of(b"Apache-2.0\0")
    attributes = struct.pack("=IIQQ", _PROG_TYPE_CGROUP_DEVICE, len(program) // 8, code, licence)
    loaded = filters.bpf(_BPF_PROG_LOAD, attributes.ljust(128, b"\0"))
    del keep_code, keep_licence
    try:
        filters.bpf(_BPF_PROG_ATTACH, struct.pack("=IIII", group, loaded, _ATTACH_CGROUP_DEVICE, 0).ljust(32, b"\0"))
    finally:
        os.close(loaded)
