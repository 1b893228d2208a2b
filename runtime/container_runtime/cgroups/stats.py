"""The figures of a group as Docker's ``stats`` has them: pure parsing, and reading the files of a group.

Reference: kernel, cgroup-v1/memory.rst, cpuacct.rst, blkio-controller.rst and cgroup-v2.rst; names of the result: moby,
api/swagger.yaml ContainerStatsResponse, daemon/stats_unix.go.
"""

from __future__ import annotations

import os
from typing import Any

from container_runtime.cgroups.detect import below_mount, parse_membership, parse_mounts

_TICK = 10_000_000
"""Nanoseconds of one of the ticks that cpuacct.stat and /proc/stat count in (time(7): USER_HZ is 100)."""
_LARGEST = 1 << 20
_BLKIO = ("io_service_bytes", "io_serviced", "io_queue", "io_service_time", "io_wait_time", "io_merged", "io_time")
# What io schedulers count is in files of their own; what throttling counts is always there (runc, fs/blkio.go).
_BLKIO_SOURCES = ("blkio.bfq.", "blkio.throttle.", "blkio.")
# What /proc calls total_* is the group with those below it; the other names are of the group alone.
_V1_MEMORY = frozenset(
    (
        "cache rss rss_huge mapped_file dirty writeback pgpgin pgpgout pgfault pgmajfault inactive_anon active_anon "
        "inactive_file active_file unevictable hierarchical_memory_limit hierarchical_memsw_limit"
    ).split()
)
_V2_MEMORY = frozenset(
    (
        "anon file kernel_stack slab sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon "
        "active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable pgfault pgmajfault "
        "workingset_refault workingset_activate workingset_nodereclaim pgrefill pgscan pgsteal pgactivate "
        "pgdeactivate pglazyfree pglazyfreed thp_fault_alloc thp_collapse_alloc"
    ).split()
)


def parse_flat(text: str) -> dict[str, int]:
    """Lines of a name and a number ("flat keyed"); others are left out."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.isdigit():
            found[name] = int(value)
    return found


def parse_number(text: str) -> int | None:
    """One number; None for ``max`` and for what is none."""
    text = text.strip()
    return int(text) if text.isdigit() else None


def parse_blkio(text: str) -> list[dict[str, Any]]:
    """A v1 file of lines such as ``8:0 Read 4096``; the line with the total of all devices is left out."""
    entries: list[dict[str, Any]] = []
    for line in text.splitlines():
        words = line.split()
        major, _, minor = words[0].partition(":") if words else ("", "", "")
        if len(words) in {2, 3} and major.isdigit() and minor.isdigit() and words[-1].isdigit():
            operation = words[1] if len(words) == 3 else ""
            entries.append({"major": int(major), "minor": int(minor), "op": operation, "value": int(words[-1])})
    return entries


def parse_io(text: str) -> list[dict[str, Any]]:
    """v2's io.stat: lines such as ``8:0 rbytes=4096 wbytes=0 rios=1 …``, as bytes read and written."""
    entries: list[dict[str, Any]] = []
    for line in text.splitlines():
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        values = {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
        if not major.isdigit() or not minor.isdigit():
            continue
        for operation, key in (("read", "rbytes"), ("write", "wbytes")):
            value = parse_number(values.get(key, "")) or 0
            entries.append({"major": int(major), "minor": int(minor), "op": operation, "value": value})
    return entries


def parse_system_cpu(text: str) -> tuple[int, int]:
    """From /proc/stat: nanoseconds of all processors together (proc(5), the first seven fields), their number."""
    total = processors = 0
    for line in text.splitlines():
        if line.startswith("cpu "):
            total = sum(int(word) for word in line.split()[1:8]) * _TICK
        elif line.startswith("cpu"):
            processors += 1
        else:
            break
    return total, processors


def parse_interfaces(text: str) -> dict[str, dict[str, int]]:
    """From /proc/PID/net/dev: what each interface but ``lo`` has received and sent."""
    found: dict[str, dict[str, int]] = {}
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        if name.strip() == "lo" or len(words) < 12:
            continue
        numbers = [int(word) for word in words]
        keys = ("bytes", "packets", "errors", "dropped")
        received = {f"rx_{key}": numbers[place] for place, key in enumerate(keys)}
        sent = {f"tx_{key}": numbers[8 + place] for place, key in enumerate(keys)}
        found[name.strip()] = received | sent
    return found


def locate(membership: str, mountinfo: str, parent: str) -> dict[str, str]:
    """The directories of the group that a process of it is in: controller -> directory, "" -> that of v2.

    ``membership``: /proc/PID/cgroup. ``parent``: the name of the run's groups; the container's is the one below it,
    also for a process that has gone into a group below that. What is in no such group is left out.
    """
    mounts, mount_v2 = parse_mounts(mountinfo)
    paths, path_v2 = parse_membership(membership)
    found: dict[str, str] = {}
    for controller, path in paths.items():
        if controller in mounts and (group := _group_of(path, parent)):
            found[controller] = below_mount(*mounts[controller], group)
    if mount_v2 is not None and (group := _group_of(path_v2, parent)):
        found[""] = below_mount(*mount_v2, group)
    return found


def _group_of(path: str, parent: str) -> str:
    names = path.split("/")
    if parent not in names[:-1]:
        return ""
    return "/".join(names[: names.index(parent) + 2])


def read(places: dict[str, str]) -> dict[str, Any]:
    """``cpu_stats``, ``memory_stats``, ``pids_stats`` and ``blkio_stats`` of the group at ``places`` (``locate``).

    What this machine does not count, or not for this user, is left out or zero. A group that has gone is all zeros.
    """
    if places.keys() == {""}:
        return _read_v2(places[""])
    return _read_v1(places)


def _text(directory: str | None, name: str) -> str:
    if not directory:
        return ""
    try:
        descriptor = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _LARGEST).decode("ascii", "replace")
    except OSError:  # ENODEV: the group went between open and read
        return ""
    finally:
        os.close(descriptor)


def _read_v1(places: dict[str, str]) -> dict[str, Any]:
    accounting, memory = places.get("cpuacct"), places.get("memory")
    times = parse_flat(_text(accounting, "cpuacct.stat"))
    usage: dict[str, Any] = {
        "total_usage": parse_number(_text(accounting, "cpuacct.usage")) or 0,
        "usage_in_kernelmode": times.get("system", 0) * _TICK,
        "usage_in_usermode": times.get("user", 0) * _TICK,
    }
    if each := _text(accounting, "cpuacct.usage_percpu").split():
        usage["percpu_usage"] = [int(word) for word in each]
    counted = parse_flat(_text(places.get("cpu"), "cpu.stat"))
    return {
        "cpu_stats": {"cpu_usage": usage, "throttling_data": _throttling(counted, "throttled_time", 1)},
        "memory_stats": _memory_v1(memory) if memory else {},
        "pids_stats": _pids(places.get("pids")),
        "blkio_stats": _blkio(places.get("blkio")),
    }


def _throttling(counted: dict[str, int], time: str, unit: int) -> dict[str, int]:
    return {
        "periods": counted.get("nr_periods", 0),
        "throttled_periods": counted.get("nr_throttled", 0),
        "throttled_time": counted.get(time, 0) * unit,
    }


def _memory_v1(directory: str) -> dict[str, Any]:
    counted = parse_flat(_text(directory, "memory.stat"))
    names = {"usage": "usage_in_bytes", "max_usage": "max_usage_in_bytes", "failcnt": "failcnt"}
    figures: dict[str, Any] = {key: parse_number(_text(directory, f"memory.{file}")) for key, file in names.items()}
    figures = {key: value for key, value in figures.items() if value or key == "usage"}
    stats = {name: value for name, value in counted.items() if name.removeprefix("total_") in _V1_MEMORY}
    return figures | {"limit": parse_number(_text(directory, "memory.limit_in_bytes")), "stats": stats}


def _pids(directory: str | None) -> dict[str, int]:
    figures = {"current": parse_number(_text(directory, "pids.current"))}
    figures["limit"] = parse_number(_text(directory, "pids.max"))
    return {key: value for key, value in figures.items() if value is not None}


def _blkio(directory: str | None) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {f"{name}_recursive": [] for name in (*_BLKIO, "sectors")}
    for source in _BLKIO_SOURCES if directory else ():
        for name in _BLKIO[:2]:
            found[f"{name}_recursive"] = parse_blkio(_text(directory, f"{source}{name}_recursive"))
        if found["io_service_bytes_recursive"]:
            break
    return found


def _read_v2(directory: str) -> dict[str, Any]:
    counted = parse_flat(_text(directory, "cpu.stat"))
    usage = {
        "total_usage": counted.get("usage_usec", 0) * 1000,
        "usage_in_kernelmode": counted.get("system_usec", 0) * 1000,
        "usage_in_usermode": counted.get("user_usec", 0) * 1000,
    }
    memory: dict[str, Any] = {}
    if current := _text(directory, "memory.current"):
        stats = parse_flat(_text(directory, "memory.stat"))
        memory = {
            "usage": parse_number(current) or 0,
            "limit": parse_number(_text(directory, "memory.max")),
            "stats": {name: value for name, value in stats.items() if name in _V2_MEMORY},
        }
        if failures := parse_flat(_text(directory, "memory.events")).get("oom"):
            memory["failcnt"] = failures
    blkio: dict[str, Any] = {f"{name}_recursive": None for name in (*_BLKIO, "sectors")}
    blkio["io_service_bytes_recursive"] = parse_io(_text(directory, "io.stat")) or None
    return {
        "cpu_stats": {"cpu_usage": usage, "throttling_data": _throttling(counted, "throttled_usec", 1000)},
        "memory_stats": memory,
        "pids_stats": _pids(directory),
        "blkio_stats": blkio,
    }


def processes(places: dict[str, str]) -> list[int]:
    """The processes of the group and of those below it, as this process's /proc numbers them."""
    found: set[int] = set()
    for directory in dict.fromkeys(places.values()):
        for below, _, files in os.walk(directory):
            if "cgroup.procs" in files:
                found.update(int(word) for word in _text(below, "cgroup.procs").split())
        if found:
            break
    return sorted(found)
