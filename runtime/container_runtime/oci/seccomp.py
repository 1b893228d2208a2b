"""Seccomp profiles: Docker's default as an OCI ``linux.seccomp`` object, and compiled to what the kernel loads.

libseccomp compiles in 3 to 10 ms, so each profile is compiled once a machine and kept under the digest of what led
to it; afterwards the launcher reads a file.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container_runtime.errors import EngineError, InvalidParameter
from container_runtime.oci.seccomp_names import ALWAYS, BY_ARCHITECTURE, BY_CAPABILITY

if TYPE_CHECKING:
    from collections.abc import Iterable

_MACHINE = os.uname().machine
_AF_VSOCK = 40  # socket(2): vsock reaches the hypervisor and is not namespaced
_CLONE_NAMESPACES = 0x7E020000  # the CLONE_NEW* flags of clone(2)
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # personality(2): Linux, Linux32, UNAME26, query
_ENOSYS = 38
_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}
# The newest call that the profile decides about (futex_requeue, 456). Beyond it ENOSYS is answered, as runc does: a
# C library that meets EPERM for a call it knows better than we do would not fall back to the older one.
_NEWEST_KNOWN = 456
_FORMAT = 1


def _allow(names: Iterable[str], *arguments: tuple[int, int, str, int]) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": list(names), "action": "SCMP_ACT_ALLOW"}
    if arguments:
        rule["args"] = [
            {"index": index, "value": value, "op": op, "valueTwo": two} for index, value, op, two in arguments
        ]
    return rule


@functools.lru_cache(maxsize=64)
def default_profile(capabilities: frozenset[str]) -> dict[str, Any]:
    """Docker's default profile for a process whose bounding set is ``capabilities``; not to be changed by callers."""
    rules = [_allow(ALWAYS), _allow(BY_ARCHITECTURE.get(_MACHINE, ()))]
    rules.append(_allow(["socket"], (0, _AF_VSOCK, "SCMP_CMP_NE", 0)))
    rules += [_allow(["personality"], (0, value, "SCMP_CMP_EQ", 0)) for value in _PERSONALITIES]
    rules += [_allow(names) for capability, names in BY_CAPABILITY.items() if capability in capabilities]
    if "CAP_SYS_ADMIN" not in capabilities:
        rules.append(_allow(["clone"], (0, _CLONE_NAMESPACES, "SCMP_CMP_MASKED_EQ", 0)))
        rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": _ARCHITECTURES.get(_MACHINE, []),
        "syscalls": rules,
    }


def compile_profile(profile: dict[str, Any], cache: Path) -> str:
    """The file with the compiled filter of an OCI ``linux.seccomp``; made where ``cache`` does not have it.

    Raises:
        InvalidParameter: the profile has an action, operator or architecture that does not exist.
        EngineError: libseccomp is not there.
    """
    import hashlib

    text = json.dumps([_FORMAT, _MACHINE, profile], sort_keys=True)
    path = cache / f"{hashlib.sha256(text.encode()).hexdigest()}.bpf"
    if not path.exists():
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        program = _compile(profile)
        descriptor, temporary = tempfile.mkstemp(dir=cache)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(program)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    return str(path)


def _library() -> Any:
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise EngineError(
            f"libseccomp cannot be loaded ({error}), so no container can have Docker's seccomp profile: "
            "install it (Debian: apt-get install libseccomp2), or ask for seccomp=unconfined"
        ) from None
    return pyseccomp


def _action(library: Any, name: str, number: int | None) -> int:
    simple = {"SCMP_ACT_ALLOW": "ALLOW", "SCMP_ACT_KILL": "KILL", "SCMP_ACT_KILL_THREAD": "KILL_THREAD",
              "SCMP_ACT_KILL_PROCESS": "KILL_PROCESS", "SCMP_ACT_TRAP": "TRAP", "SCMP_ACT_LOG": "LOG"}  # fmt: skip
    if name == "SCMP_ACT_ERRNO":
        return int(library.ERRNO(1 if number is None else number))
    if name not in simple:
        raise InvalidParameter(f"seccomp profile: unknown action {name!r}")
    return int(getattr(library, simple[name]))


def _add_rule(library: Any, syscalls: Any, rule: dict[str, Any], default: int) -> None:
    action = _action(library, rule["action"], rule.get("errnoRet"))
    if action == default:
        return  # libseccomp refuses a rule that says what happens anyway
    try:
        arguments = [
            library.Arg(
                argument["index"],
                getattr(library, argument["op"].removeprefix("SCMP_CMP_")),
                argument["value"],
                argument.get("valueTwo", 0),
            )
            for argument in rule.get("args") or []
        ]
    except AttributeError as error:
        raise InvalidParameter(f"seccomp profile: unknown operator ({error})") from None
    for name in rule["names"]:
        try:
            syscalls.add_rule(action, name, *arguments)
        except (OSError, ValueError):
            continue  # a call that this libseccomp or this architecture does not know cannot be made either


def _compile(profile: dict[str, Any]) -> bytes:
    library = _library()
    default = _action(library, profile["defaultAction"], profile.get("defaultErrnoRet"))
    syscalls = library.SyscallFilter(default)
    for name in profile.get("architectures") or []:
        architecture = getattr(library.Arch, name.removeprefix("SCMP_ARCH_"), None)
        if architecture is None:
            raise InvalidParameter(f"seccomp profile: unknown architecture {name!r}")
        if not syscalls.exist_arch(architecture):
            syscalls.add_arch(architecture)
    for rule in profile.get("syscalls") or []:
        _add_rule(library, syscalls, rule, default)
    with contextlib.suppress(OSError, ValueError):
        syscalls.set_attr(8, 2)  # SCMP_FLTATR_CTL_OPTIMIZE: a binary tree, where libseccomp has it (2.5)
    with tempfile.TemporaryFile() as file:
        syscalls.export_bpf(file)
        file.seek(0)
        return _unknown_calls(default) + file.read()


def _unknown_calls(default: int) -> bytes:
    """A prefix that answers ENOSYS to native calls newer than the profile (seccomp(2), struct seccomp_data)."""
    if _MACHINE not in _AUDIT_ARCHITECTURES or default >> 16 != 0x0005:  # SECCOMP_RET_ERRNO
        return b""
    x32 = 0x40000000  # __X32_SYSCALL_BIT: numbers from there on are another ABI's
    return b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 4),  # load arch
            (0x15, 0, 4, _AUDIT_ARCHITECTURES[_MACHINE]),  # another one: on to the filter
            (0x20, 0, 0, 0),  # load nr
            (0x35, 2, 0, x32),  # x32: on
            (0x25, 0, 1, _NEWEST_KNOWN),  # known: on
            (0x06, 0, 0, 0x00050000 | _ENOSYS),
        )
    )
