"""What a container uses: one sample (``ContainerStatsResponse``), and samples a second apart."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container_runtime.cgroups import stats as groups
from container_runtime.engine.container import NEVER, now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine

INTERVAL = 1.0
"""Seconds between two samples, as Docker's (moby, daemon/stats/collector.go)."""
_NO_CPU: dict[str, Any] = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}
_NO_BLKIO = {
    f"{name}_recursive": None
    for name in (
        "io_service_bytes", "io_serviced", "io_queue", "io_service_time", "io_wait_time", "io_merged", "io_time",
        "sectors",
    )
}  # fmt: skip


def empty(container: Container) -> dict[str, Any]:
    """The sample of a container that does not run: zeros."""
    return {
        "name": f"/{container.name}",
        "id": container.id,
        "read": NEVER,
        "preread": NEVER,
        "pids_stats": {},
        "blkio_stats": _NO_BLKIO,
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _NO_CPU,
        "precpu_stats": _NO_CPU,
        "memory_stats": {},
    }


def places_of(engine: Engine, pid: int) -> dict[str, str]:
    """The directories of the groups of a container with the first process ``pid``; none where it has gone."""
    try:
        membership = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return {}
    mounts = Path("/proc/self/mountinfo").read_bytes().decode("utf-8", "surrogateescape")
    return groups.locate(membership, mounts, f"pytest-containers-{engine.run.path.name}")


async def sample(engine: Engine, container: Container, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """One sample; ``before`` is the last one, for the differences that a client makes."""
    pid = container.pid
    if not pid:
        return empty(container)
    figures = await asyncio.to_thread(_read, engine, container, pid)
    taken = {**empty(container), "read": now(), **figures}
    if before is not None and before["read"] != NEVER:
        taken |= {"preread": before["read"], "precpu_stats": before["cpu_stats"]}
    return taken


def _read(engine: Engine, container: Container, pid: int) -> dict[str, Any]:
    figures = groups.read(places_of(engine, pid))
    total, processors = groups.parse_system_cpu(Path("/proc/stat").read_text())
    figures["cpu_stats"] |= {"system_cpu_usage": total, "online_cpus": processors}
    memory = figures["memory_stats"]
    if memory:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory["limit"] = min(memory["limit"] or machine, machine)
    if container.network_mode != "host":
        try:
            interfaces = groups.parse_interfaces(Path(f"/proc/{pid}/net/dev").read_text())
        except OSError:  # it has gone
            interfaces = {}
        if interfaces:
            figures["networks"] = interfaces
    return figures


async def samples(engine: Engine, container: Container) -> AsyncIterator[dict[str, Any]]:
    """A sample at once and then one every second, empty ones while it does not run, until it is removed."""
    last: dict[str, Any] | None = None
    while not container.removed.done():
        last = await sample(engine, container, last)
        yield last
        await asyncio.wait([container.removed], timeout=INTERVAL)


async def two(engine: Engine, container: Container) -> dict[str, Any]:
    """The second of two samples, with the first as what was before: it takes a second, unless the container ends."""
    first = await sample(engine, container)
    if container.pid:
        await asyncio.wait([container.ended], timeout=INTERVAL)
    return await sample(engine, container, first)
