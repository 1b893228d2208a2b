"""Docker's HostConfig limits as OCI resources, rlimits and sysctls: pure, every bad value an error that names it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from container_runtime.errors import InvalidParameter
from container_runtime.oci.defaults import ALL_CAPABILITIES, DEFAULT_CAPABILITIES, DEFAULT_DEVICE_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from container_runtime.oci.spec import ResourceLimit

_SMALLEST_MEMORY = 6 * 1024 * 1024  # Docker's linuxMinMemory, below which no runtime starts
_CPU_SET = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_RLIMITS = frozenset(
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
)
_UNLIMITED = 2**64 - 1  # RLIM_INFINITY

# sysctls that belong to a namespace of the container: the others would change the host (config-linux.md, "Sysctl").
_IPC_SYSCTLS = frozenset(
    "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni "
    "kernel.shm_rmid_forced".split()
)


def _bad(field: str, value: object, why: str) -> InvalidParameter:
    return InvalidParameter(f"invalid value {value!r} for HostConfig.{field}: {why}")


def memory(host: Mapping[str, Any]) -> dict[str, int]:
    """The memory section; empty where nothing is limited."""
    limit, swap = host.get("Memory") or 0, host.get("MemorySwap") or 0
    section: dict[str, int] = {}
    if limit and limit < _SMALLEST_MEMORY:
        raise _bad("Memory", limit, "Minimum memory limit allowed is 6MB")
    if swap > 0 and not limit:
        raise _bad("MemorySwap", swap, "You should always set the Memory limit when using Memoryswap limit")
    if 0 < swap < limit:
        raise _bad("MemorySwap", swap, "Minimum memoryswap limit should be larger than memory limit")
    if limit > 0:
        section["limit"] = limit
        section["swap"] = swap or 2 * limit  # Docker: as much swap again, unless said
    reservation = host.get("MemoryReservation") or 0
    if reservation > 0:
        if limit and reservation > limit:
            raise _bad("MemoryReservation", reservation, "it should not be more than Memory")
        section["reservation"] = reservation
    return section


def _quota(host: Mapping[str, Any]) -> tuple[int, int]:
    """Quota and period, from NanoCpus (billionths of a CPU) where that is given."""
    nano, quota, period = host.get("NanoCpus") or 0, host.get("CpuQuota") or 0, host.get("CpuPeriod") or 0
    if not nano:
        return quota, period
    if quota or period:
        raise _bad("NanoCpus", nano, "Conflicting options: Nano CPUs and CPU Quota or Period cannot both be set")
    quota = nano * 100_000 // 1_000_000_000
    if quota < 1000:
        raise _bad("NanoCpus", nano, "the kernel takes no less than 0.01 CPUs (10000000)")
    return quota, 100_000


def cpu(host: Mapping[str, Any]) -> dict[str, int | str]:
    """The CPU section; empty where nothing is limited."""
    quota, period = _quota(host)
    section: dict[str, int | str] = {}
    if period and not 1000 <= period <= 1_000_000:
        raise _bad("CpuPeriod", period, "it must be between 1000 and 1000000 microseconds")
    if 0 < quota < 1000:
        raise _bad("CpuQuota", quota, "it must be at least 1000 microseconds")
    for key, value in (("quota", quota), ("period", period), ("shares", host.get("CpuShares") or 0)):
        if value < 0 and key != "quota":
            raise _bad("CpuShares", value, "it cannot be negative")
        if value:
            section[key] = value
    return section | _cpusets(host)


def _cpusets(host: Mapping[str, Any]) -> dict[str, str]:
    section: dict[str, str] = {}
    for key, field in (("cpus", "CpusetCpus"), ("mems", "CpusetMems")):
        text = host.get(field) or ""
        if text:
            if _CPU_SET.fullmatch(text) is None:
                raise _bad(field, text, "it is a list such as 0-2,4")
            section[key] = text
    return section


_THROTTLES = {
    "BlkioDeviceReadBps": "throttleReadBpsDevice",
    "BlkioDeviceWriteBps": "throttleWriteBpsDevice",
    "BlkioDeviceReadIOps": "throttleReadIOPSDevice",
    "BlkioDeviceWriteIOps": "throttleWriteIOPSDevice",
}


def block_io(host: Mapping[str, Any], device: Callable[[str], tuple[str, int, int]] | None) -> dict[str, Any]:
    """The blockIO section; ``device`` finds a node's type and numbers."""
    section: dict[str, Any] = {}
    weight = host.get("BlkioWeight") or 0
    if weight and not 10 <= weight <= 1000:
        raise _bad("BlkioWeight", weight, "Range of blkio weight is from 10 to 1000")
    if weight:
        section["weight"] = weight
    for field, key in _THROTTLES.items():
        for one in host.get(field) or []:
            path, rate = one.get("Path") or "", one.get("Rate") or 0
            if device is None or not path.startswith("/") or rate < 0:
                raise _bad(field, one, "a device's path and a rate are expected")
            _, major, minor = device(path)
            section.setdefault(key, []).append({"major": major, "minor": minor, "rate": rate})
    return section


_RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})")


def asked_rules(host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``DeviceCgroupRules``, each as "c 1:3 rwm"."""
    found: list[dict[str, Any]] = []
    for text in host.get("DeviceCgroupRules") or []:
        match = _RULE.fullmatch(text)
        if match is None:
            raise _bad("DeviceCgroupRules", text, "invalid device cgroup rule format")
        kind, major, minor, access = match.groups()
        rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
        rule |= {name: int(number) for name, number in (("major", major), ("minor", minor)) if number != "*"}
        found.append(rule)
    return found


def device_rules(host: Mapping[str, Any], devices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Deny all, then what is allowed; ``devices`` are the container's own (type, major, minor, access)."""
    if host.get("Privileged"):
        return [{"allow": True, "access": "rwm"}]
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    for kind, major, minor, access in DEFAULT_DEVICE_RULES:
        rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
        if major is not None:
            rule["major"] = major
        if minor is not None:
            rule["minor"] = minor
        rules.append(rule)
    rules += [
        {"allow": True, "type": one["type"], "major": one["major"], "minor": one["minor"], "access": one["access"]}
        for one in devices
    ]
    return rules + asked_rules(host)


def resources(
    host: Mapping[str, Any],
    devices: Sequence[Mapping[str, Any]] = (),
    device: Callable[[str], tuple[str, int, int]] | None = None,
) -> dict[str, Any]:
    """The ``linux.resources`` of a HostConfig; ``devices`` are its own, ``device`` finds any.

    Raises:
        InvalidParameter: a limit that makes no sense.
    """
    section: dict[str, Any] = {"devices": device_rules(host, devices)}
    if found := memory(host):
        section["memory"] = found
    if cpus := cpu(host):
        section["cpu"] = cpus
    pids = host.get("PidsLimit")
    if pids and pids > 0:
        section["pids"] = {"limit": pids}
    if block := block_io(host, device):
        section["blockIO"] = block
    return section


def rlimits(host: Mapping[str, Any]) -> list[ResourceLimit]:
    """The process's rlimits from ``HostConfig.Ulimits``."""
    found: list[ResourceLimit] = []
    for one in host.get("Ulimits") or []:
        name, soft, hard = one.get("Name") or "", one.get("Soft") or 0, one.get("Hard") or 0
        if name not in _RLIMITS:
            raise _bad("Ulimits", name, "no such limit")
        if hard != -1 and (soft > hard or soft == -1):
            raise _bad("Ulimits", name, f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
        found.append(
            {
                "type": "RLIMIT_" + name.upper(),
                "soft": _UNLIMITED if soft == -1 else soft,
                "hard": _UNLIMITED if hard == -1 else hard,
            }
        )
    return found


def sysctls(host: Mapping[str, Any], *, own_network: bool) -> dict[str, str]:
    """The sysctls, each checked to belong to a namespace of the container."""
    found: dict[str, str] = {}
    for name, value in (host.get("Sysctls") or {}).items():
        inside = name in _IPC_SYSCTLS or name.startswith("fs.mqueue.") or (own_network and name.startswith("net."))
        if not inside or "/" in name or ".." in name:
            raise _bad("Sysctls", name, "it does not belong to a namespace of the container")
        found[name] = str(value)
    return found


def _named(capability: str, field: str) -> str:
    name = capability.upper()
    if name == "ALL":
        return name
    name = name if name.startswith("CAP_") else "CAP_" + name
    if name not in ALL_CAPABILITIES:
        raise _bad(field, capability, "unknown capability")
    return name


def capabilities(host: Mapping[str, Any]) -> list[str]:
    """Docker's default set with CapAdd and CapDrop, in the order of the kernel's numbers."""
    if host.get("Privileged"):
        return list(ALL_CAPABILITIES)
    add = host.get("CapAdd") or []
    drop = host.get("CapDrop") or []
    if not add and not drop:
        return list(DEFAULT_CAPABILITIES)
    added = {_named(name, "CapAdd") for name in add}
    dropped = {_named(name, "CapDrop") for name in drop}
    base = set(ALL_CAPABILITIES) if "ALL" in added else set(DEFAULT_CAPABILITIES)
    kept: set[str] = set() if "ALL" in dropped else base - dropped
    if "ALL" in added and "ALL" in dropped:
        kept = set(ALL_CAPABILITIES) - dropped
    kept |= added - {"ALL"}
    return [name for name in ALL_CAPABILITIES if name in kept]
