"""What the engine says of itself and its machine: ``GET /info`` and ``GET /version``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container_runtime import __version__
from container_runtime.cgroups.detect import detect
from container_runtime.engine.container import now
from container_runtime.engine.life import lifecycle
from container_runtime.kernel import userns
from container_runtime.network import pools
from container_runtime.state.rundir import filesystem_of

if TYPE_CHECKING:
    from container_runtime.cgroups.detect import Layout
    from container_runtime.engine.core import Engine

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_HUB = "https://index.docker.io/v1/"
_STRATEGIES = {"copies": "vfs"}
"""Docker's name for what it has too; the others are called as in ``state.roots``."""
# The limits that docker info reports, and the words of its warning where one is missing (moby, daemon/info_unix.go).
_LIMITS = {
    "MemoryLimit": "memory limit",
    "SwapLimit": "swap limit",
    "CpuCfsQuota": "cpu cfs quota",
    "CpuCfsPeriod": "cpu cfs period",
    "CPUShares": "cpu shares",
    "CPUSet": "cpuset",
    "PidsLimit": "pids limit",
}


def limits(layout: Layout) -> dict[str, bool]:
    """Which limits this user may set here, in Docker's words."""
    has = layout.v2_controllers if layout.v2 else layout.v1.keys()
    swap = "memory" in has
    if "memory" in layout.v1:
        swap = os.path.exists(layout.v1["memory"] + "/memory.memsw.limit_in_bytes")  # noqa: PTH110
    return {
        "MemoryLimit": "memory" in has,
        "SwapLimit": swap,
        **dict.fromkeys(("CpuCfsPeriod", "CpuCfsQuota", "CPUShares"), "cpu" in has),
        "CPUSet": "cpuset" in has,
        "PidsLimit": "pids" in has,
    }


def warnings_of(found: dict[str, bool]) -> list[str]:
    """A line for each limit that is missing, as ``docker info`` shows it."""
    return [f"WARNING: No {words} support" for name, words in _LIMITS.items() if not found[name]]


def parse_os_release(text: str) -> dict[str, str]:
    """The variables of os-release(5), without their quotes."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, sign, value = line.strip().partition("=")
        if sign and not name.startswith("#"):
            found[name] = value.strip("\"'")
    return found


def _os_release() -> dict[str, str]:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            return parse_os_release(Path(path).read_text(errors="replace"))
        except OSError:
            continue
    return {}


def _groups() -> dict[str, Any]:
    layout = detect()
    version = "2" if layout.v2 or not Path("/sys/fs/cgroup/memory").is_dir() else "1"
    found = limits(layout)
    return {
        "CgroupDriver": "cgroupfs" if layout.v1 or layout.v2 else "none",
        "CgroupVersion": version,
        **found,
        "OomKillDisable": False,
        "Warnings": warnings_of(found),
    }


def _counts(engine: Engine) -> dict[str, int]:
    containers = [*engine.containers.values()]
    running = sum(one.state in lifecycle.ACTIVE for one in containers)
    paused = sum(one.state == lifecycle.PAUSED for one in containers)
    return {
        "Containers": len(containers),
        "ContainersRunning": running - paused,
        "ContainersPaused": paused,
        "ContainersStopped": len(containers) - running,
    }


def _storage(engine: Engine) -> dict[str, Any]:
    user = "true" if userns.active() else "false"
    return {
        "Driver": _STRATEGIES.get(engine.run.strategy, engine.run.strategy),
        "DriverStatus": [
            ["Backing Filesystem", filesystem_of(engine.run.layers)],
            ["Supports d_type", "true"],
            ["Using metacopy", "false"],
            ["Native Overlay Diff", "true"],
            ["userxattr", user],
        ],
        "DockerRootDir": str(engine.run.layers.parent.parent),
    }


def _registries() -> dict[str, Any]:
    from container_runtime.images.registry import MIRROR_VARIABLE

    mirrors = os.environ.get(MIRROR_VARIABLE, "").replace(",", " ").split()
    hub = {"Name": "docker.io", "Mirrors": mirrors, "Secure": True, "Official": True}
    insecure = ["::1/128", "127.0.0.0/8"]
    return {
        "IndexServerAddress": _HUB,
        "RegistryConfig": {"IndexConfigs": {"docker.io": hub}, "InsecureRegistryCIDRs": insecure, "Mirrors": mirrors},
    }


def info(engine: Engine) -> dict[str, Any]:
    """``GET /info``; it reads files, so it is for a thread."""
    system, release = os.uname(), _os_release()
    return {
        "ID": engine.run.path.name,
        "Name": system.nodename,
        **_counts(engine),
        "Images": len(engine.images.list()),
        **_storage(engine),
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file"],
        },
        **_groups(),
        "IPv4Forwarding": True,
        "Debug": False,
        "SystemTime": now(),
        "LoggingDriver": "json-file",
        "KernelVersion": system.release,
        "OperatingSystem": release.get("PRETTY_NAME") or "Linux",
        "OSVersion": release.get("VERSION_ID", ""),
        "OSType": "linux",
        "Architecture": system.machine,
        "NCPU": os.cpu_count() or 1,
        "MemTotal": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        **_registries(),
        "GenericResources": None,
        **{name: os.environ.get(variable, "") for name, variable in _PROXIES.items()},
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": __version__,
        "Runtimes": {"pytest-containers": {"path": "built-in"}},
        "DefaultRuntime": "pytest-containers",
        "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": False, "Error": "",
                  "RemoteManagers": None},
        "LiveRestoreEnabled": False,
        "Isolation": "",
        "InitBinary": "built-in",
        "SecurityOptions": security_options(),
        "DefaultAddressPools": [{"Base": pools.DEFAULT_POOL, "Size": pools.DEFAULT_NETWORK_PREFIX}],
    }  # fmt: skip


_PROXIES = {"HttpProxy": "HTTP_PROXY", "HttpsProxy": "HTTPS_PROXY", "NoProxy": "NO_PROXY"}


def security_options() -> list[str]:
    """As Docker writes them."""
    return ["name=seccomp,profile=builtin", *(["name=rootless"] if userns.active() else []), "name=cgroupns"]


def version(api: str, oldest: str) -> dict[str, Any]:
    """``GET /version``; ``api``, ``oldest``: the versions of Docker's API that are spoken."""
    system = os.uname()
    details = {
        "ApiVersion": api,
        "MinAPIVersion": oldest,
        "Os": "linux",
        "Arch": _ARCHITECTURES.get(system.machine, system.machine),
        "KernelVersion": system.release,
        "GitCommit": "",
        "GoVersion": "",
        "BuildTime": "",
    }
    python = {"Name": "python", "Version": sys.version.split()[0], "Details": {"GitCommit": ""}}
    engine = {"Name": "Engine", "Version": __version__, "Details": {**details, "Experimental": "false"}}
    return {
        "Platform": {"Name": "pytest-containers"},
        "Components": [engine, python],
        "Version": __version__,
        **details,
        "PythonVersion": sys.version.split()[0],
        "Experimental": False,
    }
