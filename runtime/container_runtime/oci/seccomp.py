"""Seccomp profiles: Docker's default as an OCI ``linux.seccomp`` object, and compiled to what the kernel loads.

libseccomp knows the numbers of the calls on each architecture; ``seccomp_bpf`` writes the filter. That takes some
milliseconds, so each profile is compiled once a machine and kept under the digest of what led to it; afterwards the
launcher reads a file.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container_runtime.errors import EngineError, InvalidParameter
from container_runtime.oci.seccomp_bpf import X32, Condition, Rule, Unknown, assemble
from container_runtime.oci.seccomp_names import ALWAYS, BY_ARCHITECTURE, BY_CAPABILITY, I386_DIRECT

if TYPE_CHECKING:
    from collections.abc import Iterable

_MACHINE = os.uname().machine
_AF_VSOCK = 40  # socket(2): vsock reaches the hypervisor and is not namespaced
_CLONE_NAMESPACES = 0x7E020000  # the CLONE_NEW* flags of clone(2)
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # personality(2): Linux, Linux32, UNAME26, query
_ENOSYS = 38
_NATIVE = {"x86_64": "X86_64", "aarch64": "AARCH64"}
# linux/audit.h; x32 is told from x86-64 by that bit of the number.
_AUDIT_ARCHITECTURES = {
    "X86_64": 0xC000003E, "X32": 0xC000003E, "X86": 0x40000003, "AARCH64": 0xC00000B7, "ARM": 0x40000028,
}  # fmt: skip
# seccomp(2), SECCOMP_RET_*.
_ACTIONS = {
    "SCMP_ACT_ALLOW": 0x7FFF0000, "SCMP_ACT_LOG": 0x7FFC0000, "SCMP_ACT_TRAP": 0x00030000, "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000, "SCMP_ACT_KILL_PROCESS": 0x80000000,
}  # fmt: skip
_ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}
# The newest call that the profile decides about (futex_requeue, 456). Beyond it ENOSYS is answered, as runc does: a
# C library that meets EPERM for a call it knows better than we do would not fall back to the older one.
_NEWEST_KNOWN = 456
_FORMAT = 2


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


def _action(name: str, number: int | None) -> int:
    """The SECCOMP_RET_* value, seccomp(2)."""
    if name == "SCMP_ACT_ERRNO":
        return 0x00050000 | ((1 if number is None else number) & 0xFFFF)
    if name not in _ACTIONS:
        raise InvalidParameter(f"seccomp profile: unknown action {name!r}")
    return _ACTIONS[name]


def _rule(entry: dict[str, Any]) -> Rule:
    conditions = [
        Condition(
            argument["index"],
            str(argument["op"]).removeprefix("SCMP_CMP_"),
            argument["value"],
            argument.get("valueTwo") or 0,
        )
        for argument in entry.get("args") or []
    ]
    return Rule(_action(entry["action"], entry.get("errnoRet")), tuple(conditions))


def _numbers(library: Any, name: str, architecture: str) -> list[tuple[int, tuple[Condition, ...]]]:
    """The call's numbers, each with the condition that makes it this call where it is several in one."""
    resolve = functools.partial(library.resolve_syscall, getattr(library.Arch, architecture))
    number = resolve(name)
    for call, first, last in (("socketcall", -101, -120), ("ipc", -201, -224)):
        # libseccomp's numbers for what i386 did by one call at first (seccomp.h, __PNR_socket and so on): -101 is 1.
        if last <= number <= first and resolve(call) >= 0:
            found: list[tuple[int, tuple[Condition, ...]]] = [
                (resolve(call), (Condition(0, "EQ", first + 1 - number),))
            ]
            return found + ([(I386_DIRECT[name], ())] if architecture == "X86" and name in I386_DIRECT else [])
    # A name that this libseccomp or this architecture does not know is no call that could be made either.
    return [] if number < 0 else [(number, ())]


def _compile(profile: dict[str, Any]) -> bytes:
    library = _library()
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    architectures: dict[int, dict[int, list[Rule]]] = {}
    names = [name.removeprefix("SCMP_ARCH_") for name in profile.get("architectures") or []]
    native = _NATIVE.get(_MACHINE, "")
    for architecture in dict.fromkeys([native, *names] if native else names):
        if architecture not in _AUDIT_ARCHITECTURES or not hasattr(library.Arch, architecture):
            raise InvalidParameter(f"seccomp profile: unknown architecture 'SCMP_ARCH_{architecture}'")
        calls = architectures.setdefault(_AUDIT_ARCHITECTURES[architecture], {})
        for entry in profile.get("syscalls") or []:
            rule = _rule(entry)
            if rule.action == default:
                continue  # what happens anyway
            for name in entry["names"]:
                for number, part in _numbers(library, name, architecture):
                    calls.setdefault(number, []).append(Rule(rule.action, (*part, *rule.conditions)))
    unknown: dict[int, Unknown] = {}
    if native and default >> 16 == 0x0005:  # SECCOMP_RET_ERRNO
        unknown[_AUDIT_ARCHITECTURES[native]] = Unknown(_NEWEST_KNOWN + 1, X32, _action("SCMP_ACT_ERRNO", _ENOSYS))
    return assemble(architectures, default, unknown)
