"""The engine itself: ping, version, info, shutdown."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from container_runtime import __version__
from container_runtime.api.server import API_VERSION, MIN_API_VERSION
from container_runtime.cgroups.detect import detect
from container_runtime.engine import lifecycle
from container_runtime.engine.container import now
from container_runtime.errors import NotFound

if TYPE_CHECKING:
    from container_runtime.api.server import Request

_PING_HEADERS = [
    (b"Builder-Version", b"1"),
    (b"Swarm", b"inactive"),
    (b"Cache-Control", b"no-cache, no-store, must-revalidate"),
    (b"Pragma", b"no-cache"),
]


async def ping(request: Request) -> None:
    """GET and HEAD /_ping."""
    await request.answer_text("OK", _PING_HEADERS)


async def version(request: Request) -> None:
    """GET /version."""
    system = os.uname()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(system.machine, system.machine)
    details = {"ApiVersion": API_VERSION, "MinAPIVersion": MIN_API_VERSION, "Os": "linux", "Arch": architecture}
    await request.answer(
        200,
        {
            "Platform": {"Name": "pytest-containers"},
            "Components": [{"Name": "Engine", "Version": __version__, "Details": details}],
            "Version": __version__,
            **details,
            "KernelVersion": system.release,
            "GitCommit": "",
            "GoVersion": "",
            "PythonVersion": sys.version.split()[0],
            "BuildTime": "",
            "Experimental": False,
            "X-Pytest-Containers": {"Forwards": request.engine.networks.forwards is not None},
        },
    )


def _limits() -> dict[str, bool]:
    """Which limits this user may set here, in Docker's words."""
    layout = detect()
    has = layout.v2_controllers if layout.v2 else layout.v1.keys()
    cpu = "cpu" in has
    return {
        "MemoryLimit": "memory" in has,
        "SwapLimit": "memory" in has,
        "PidsLimit": "pids" in has,
        "CpuCfsPeriod": cpu,
        "CpuCfsQuota": cpu,
        "CPUShares": cpu,
        "CPUSet": "cpuset" in has,
    }


async def info(request: Request) -> None:
    """GET /info."""
    engine = request.engine
    containers = engine.containers.values()
    running = sum(1 for one in containers if one.active)
    system = os.uname()
    images = await asyncio.to_thread(engine.images.list)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    await request.answer(
        200,
        {
            "ID": engine.run.path.name,
            "Name": system.nodename,
            "Containers": len(containers),
            "ContainersRunning": running,
            "ContainersPaused": 0,
            "ContainersStopped": sum(1 for one in containers if one.state == lifecycle.EXITED),
            "Images": len(images),
            "Driver": "overlay",
            "LoggingDriver": "json-file",
            "CgroupDriver": "cgroupfs",
            "CgroupVersion": "1" if os.path.exists("/sys/fs/cgroup/memory") else "2",  # noqa: PTH110, ASYNC240  sysfs does not block
            "KernelVersion": system.release,
            "OperatingSystem": "Linux",
            "OSType": "linux",
            "Architecture": system.machine,
            "NCPU": os.cpu_count() or 1,
            "MemTotal": memory,
            **await asyncio.to_thread(_limits),
            "IPv4Forwarding": True,
            "OomKillDisable": False,
            "ServerVersion": __version__,
            "DockerRootDir": str(engine.run.path),
            "DefaultRuntime": "pytest-containers",
            "Runtimes": {"pytest-containers": {"path": "built-in"}},
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
            "SystemTime": now(),
            "Swarm": {"LocalNodeState": "inactive"},
            "Plugins": {
                "Volume": [],
                "Network": ["bridge", "host", "null"],
                "Authorization": None,
                "Log": ["json-file"],
            },
            "RegistryConfig": {"IndexConfigs": {}, "InsecureRegistryCIDRs": ["127.0.0.0/8"], "Mirrors": []},
            "Labels": [],
            "Warnings": [],
        },
    )


async def unless_gone(request: Request, work: object) -> None:
    """Do what may take for ever, unless the client goes first."""
    doing = asyncio.ensure_future(work)  # type: ignore[arg-type]
    gone = asyncio.ensure_future(request.disconnected())
    try:
        await asyncio.wait([doing, gone], return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        for task in (doing, gone):
            task.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


async def no_such_object(request: Request) -> None:
    """One of a kind that this engine does not make yet: so there is none (``docker inspect`` asks for every kind)."""
    raise NotFound(f"No such object: {request.parameters['name']}")


async def shutdown(request: Request) -> None:
    """POST /x-pytest-containers/shutdown: end the engine with everything that it holds."""
    await request.answer(204)
    request.engine.end_requested.set()
