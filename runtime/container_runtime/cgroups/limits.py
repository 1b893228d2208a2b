"""OCI ``linux.resources`` as what is written into which file of a group: pure, for v1 and v2.

Reference: OCI runtime spec, config-linux.md "Control groups"; kernel, cgroup-v1/memory.rst and cgroup-v2.rst.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Setting = tuple[str, str, str]
"""Controller, file, value."""


def convert_shares(shares: int) -> int:
    """v1 ``cpu.shares`` (2 to 262144) as v2 ``cpu.weight`` (1 to 10000): linear, as crun and runc convert."""
    shares = min(max(shares, 2), 262144)
    return 1 + (shares - 2) * 9999 // 262142


def _v1_memory(memory: dict[str, Any]) -> list[Setting]:
    settings: list[Setting] = []
    limit, swap = memory.get("limit"), memory.get("swap")
    if limit is not None:
        settings.append(("memory", "memory.limit_in_bytes", str(limit)))
    if swap is not None:
        # memsw counts memory and swap together, as OCI does, and may not be below the limit: so it comes second.
        settings.append(("memory", "memory.memsw.limit_in_bytes", str(swap)))
    if memory.get("reservation") is not None:
        settings.append(("memory", "memory.soft_limit_in_bytes", str(memory["reservation"])))
    return settings


_THROTTLES = (
    ("throttleReadBpsDevice", "read_bps", "rbps"),
    ("throttleWriteBpsDevice", "write_bps", "wbps"),
    ("throttleReadIOPSDevice", "read_iops", "riops"),
    ("throttleWriteIOPSDevice", "write_iops", "wiops"),
)
"""OCI's name of a limit for a block device, v1's and v2's."""


def _v1_block(block: dict[str, Any]) -> list[Setting]:
    settings: list[Setting] = []
    if block.get("weight"):
        settings.append(("blkio", "blkio.bfq.weight", str(block["weight"])))
    for key, name, _ in _THROTTLES:
        file = f"blkio.throttle.{name}_device"
        settings += [("blkio", file, f"{one['major']}:{one['minor']} {one['rate']}") for one in block.get(key) or []]
    return settings


def _v2_block(block: dict[str, Any]) -> list[Setting]:
    settings: list[Setting] = []
    if block.get("weight"):
        settings.append(("io", "io.bfq.weight", str(block["weight"])))
    for key, _, name in _THROTTLES:
        limits = [f"{one['major']}:{one['minor']} {name}={one['rate']}" for one in block.get(key) or []]
        settings += [("io", "io.max", limit) for limit in limits]
    return settings


def v1_settings(resources: dict[str, Any]) -> list[Setting]:
    """The settings for v1, in the order in which the kernel takes them."""
    settings = _v1_memory(resources.get("memory") or {})
    cpu = resources.get("cpu") or {}
    for key, file in (("shares", "cpu.shares"), ("period", "cpu.cfs_period_us"), ("quota", "cpu.cfs_quota_us")):
        if cpu.get(key):
            settings.append(("cpu", file, str(cpu[key])))
    for key, file in (("cpus", "cpuset.cpus"), ("mems", "cpuset.mems")):
        if cpu.get(key):
            settings.append(("cpuset", file, cpu[key]))
    limit = (resources.get("pids") or {}).get("limit")
    if limit is not None:
        settings.append(("pids", "pids.max", str(limit) if limit > 0 else "max"))
    return settings + _v1_block(resources.get("blockIO") or {})


def v2_settings(resources: dict[str, Any]) -> list[Setting]:
    """The settings for v2."""
    settings: list[Setting] = []
    memory = resources.get("memory") or {}
    limit, swap = memory.get("limit"), memory.get("swap")
    if limit is not None:
        settings.append(("memory", "memory.max", str(limit) if limit >= 0 else "max"))
    if swap is not None:
        # v2 counts swap alone.
        settings.append(("memory", "memory.swap.max", "max" if swap < 0 else str(max(0, swap - (limit or 0)))))
    if memory.get("reservation") is not None:
        settings.append(("memory", "memory.low", str(memory["reservation"])))
    cpu = resources.get("cpu") or {}
    if cpu.get("shares"):
        settings.append(("cpu", "cpu.weight", str(convert_shares(cpu["shares"]))))
    if cpu.get("quota") or cpu.get("period"):
        quota = cpu.get("quota") or -1
        settings.append(("cpu", "cpu.max", f"{quota if quota > 0 else 'max'} {cpu.get('period') or 100000}"))
    for key, file in (("cpus", "cpuset.cpus"), ("mems", "cpuset.mems")):
        if cpu.get(key):
            settings.append(("cpuset", file, cpu[key]))
    limit = (resources.get("pids") or {}).get("limit")
    if limit is not None:
        settings.append(("pids", "pids.max", str(limit) if limit > 0 else "max"))
    return settings + _v2_block(resources.get("blockIO") or {})


def device_line(rule: dict[str, Any]) -> str:
    """One OCI device rule in the words of v1's ``devices.allow`` and ``devices.deny``."""
    kind = rule.get("type") or "a"
    if kind == "a":
        return "a"
    major, minor = rule.get("major"), rule.get("minor")
    numbers = ":".join("*" if number is None or number < 0 else str(number) for number in (major, minor))
    return f"{kind} {numbers} {rule.get('access') or 'rwm'}"
