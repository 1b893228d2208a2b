"""What was asked for as inspect shows it: Docker names every field, those with their defaults too.

Fields and order are those of moby, api/types/container/config.go and hostconfig.go (version 28.5); defaults are what a
Docker Engine 28.5 answers for a container that was created with nothing but an image (tests/differential).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from container_runtime.oci.defaults import MASKED_PATHS, READONLY_PATHS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from container_runtime.engine.container import Container

_CONFIG: dict[str, Any] = {
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False, "AttachStderr": False,
    "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None, "Image": "", "Volumes": None,
    "WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": {},
}  # fmt: skip
# Left out where nothing was asked for (omitempty).
_CONFIG_OPTIONAL = frozenset(
    (
        "ExposedPorts",
        "StopSignal",
        "StopTimeout",
        "Healthcheck",
        "NetworkDisabled",
        "MacAddress",
        "Shell",
        "ArgsEscaped",
    )
)
_FROM_IMAGE = ("User", "WorkingDir", "StopSignal", "Shell", "OnBuild")
_UNITED = ("ExposedPorts", "Volumes")  # the image's and the request's together

_HOST: dict[str, Any] = {
    "Binds": None, "ContainerIDFile": "", "LogConfig": {"Type": "json-file", "Config": {}}, "NetworkMode": "bridge",
    "PortBindings": None, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": False,
    "VolumeDriver": "", "VolumesFrom": None, "ConsoleSize": [0, 0], "CapAdd": None, "CapDrop": None,
    "CgroupnsMode": "private", "Dns": None, "DnsOptions": None, "DnsSearch": None, "ExtraHosts": None, "GroupAdd": None,
    "IpcMode": "private", "Cgroup": "", "Links": None, "OomScoreAdj": 0, "PidMode": "", "Privileged": False,
    "PublishAllPorts": False, "ReadonlyRootfs": False, "SecurityOpt": None, "UTSMode": "", "UsernsMode": "",
    "ShmSize": 64 << 20, "Runtime": "runc", "Isolation": "", "CpuShares": 0, "Memory": 0, "NanoCpus": 0,
    "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": None, "BlkioDeviceReadBps": None,
    "BlkioDeviceWriteBps": None, "BlkioDeviceReadIOps": None, "BlkioDeviceWriteIOps": None, "CpuPeriod": 0,
    "CpuQuota": 0, "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "",
    "Devices": None, "DeviceCgroupRules": None, "DeviceRequests": None, "MemoryReservation": 0, "MemorySwap": 0,
    "MemorySwappiness": None, "OomKillDisable": False, "PidsLimit": None, "Ulimits": None, "CpuCount": 0,
    "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0, "MaskedPaths": list(MASKED_PATHS),
    "ReadonlyPaths": list(READONLY_PATHS),
}  # fmt: skip
# An empty value of these is the default (the rest keep what was said, an empty list too).
_EMPTY_IS_DEFAULT = (
    "LogConfig",
    "NetworkMode",
    "RestartPolicy",
    "ConsoleSize",
    "IpcMode",
    "CgroupnsMode",
    "ShmSize",
    "Runtime",
)


def config(container: Container) -> dict[str, Any]:
    """Docker's Config: the image's configuration and the request's, put together."""
    body, image = container.body, container.image.config
    asked = {name: body[name] for name in (*_CONFIG, *_CONFIG_OPTIONAL) if body.get(name) not in (None, "", [], {})}
    found: dict[str, Any] = {**_CONFIG, **asked}
    for name in _FROM_IMAGE:
        if not found.get(name) and image.get(name):
            found[name] = image[name]
    for name in _UNITED:
        if image.get(name) or found.get(name):
            found[name] = {**(image.get(name) or {}), **(found.get(name) or {})}
    found["Env"] = _environment(body, image)
    found["Entrypoint"], found["Cmd"] = _command(body, image)
    found["Hostname"], found["Labels"] = container.hostname, container.labels
    return found


def _environment(body: Mapping[str, Any], image: Mapping[str, Any]) -> list[str] | None:
    """The request's lines, then those of the image that it does not set."""
    own: list[str] = list(body.get("Env") or [])
    names = {line.partition("=")[0] for line in own}
    merged = [*own, *(line for line in image.get("Env") or [] if line.partition("=")[0] not in names)]
    return merged or ([] if body.get("Env") is not None else None)


def _command(body: Mapping[str, Any], image: Mapping[str, Any]) -> tuple[Any, Any]:
    """Entrypoint and Cmd; an entry point of the request's own puts the image's command aside."""
    entrypoint, command = body.get("Entrypoint"), body.get("Cmd")
    if entrypoint:
        return None if entrypoint == [""] else entrypoint, command
    return image.get("Entrypoint"), command or image.get("Cmd")


def host_config(container: Container) -> dict[str, Any]:
    """Docker's HostConfig."""
    found = {**_HOST, **container.host}
    for name in _EMPTY_IS_DEFAULT:
        if not found[name]:
            found[name] = _HOST[name]
    found["NetworkMode"] = container.network_mode
    if found["Memory"] > 0 and not found["MemorySwap"]:
        found["MemorySwap"] = 2 * found["Memory"]
    found["LogConfig"] = {
        "Type": found["LogConfig"].get("Type") or "json-file",
        "Config": found["LogConfig"].get("Config") or {},
    }
    policy = found["RestartPolicy"]
    found["RestartPolicy"] = {
        "Name": policy.get("Name") or "no",
        "MaximumRetryCount": policy.get("MaximumRetryCount") or 0,
    }
    if found["Privileged"]:
        found["MaskedPaths"] = found["ReadonlyPaths"] = None
    return found
