"""What a create request may ask of Docker and this engine does not do yet: said at once, never silently dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from container_runtime.errors import InvalidParameter, NotImplementedHere

if TYPE_CHECKING:
    from collections.abc import Mapping

# Field of HostConfig -> what may be asked for besides nothing ("", 0, null, empty).
_HOST: dict[str, tuple[Any, ...]] = {
    "PortBindings": (),
    "PublishAllPorts": (),
    "Links": (),
    "VolumesFrom": (),
    "VolumeDriver": (),
    "UsernsMode": ("host",),
    "PidMode": ("private",),
    "IpcMode": ("private", "none", "shareable"),
    "UTSMode": ("private",),
    "CgroupnsMode": ("private",),
    "CgroupParent": (),
    "BlkioWeight": (),
    "BlkioWeightDevice": (),
    "BlkioDeviceReadBps": (),
    "BlkioDeviceWriteBps": (),
    "BlkioDeviceReadIOps": (),
    "BlkioDeviceWriteIOps": (),
    "CpuRealtimePeriod": (),
    "CpuRealtimeRuntime": (),
    "DeviceRequests": (),
    "DeviceCgroupRules": (),
    "OomKillDisable": (),
    "KernelMemory": (),
    "StorageOpt": (),
    "Runtime": ("runc", "builtin"),
    "Isolation": ("default",),
}


def refuse(body: Mapping[str, Any]) -> None:
    """Return where the request has nothing that this engine lacks.

    Raises:
        NotImplementedHere: it has; the message names the field.
        InvalidParameter: a restart policy that nobody knows.
    """
    host: Mapping[str, Any] = body.get("HostConfig") or {}
    for name, allowed in _HOST.items():
        value = host.get(name)
        if value and value not in allowed:
            raise NotImplementedHere(f"HostConfig.{name} = {value!r} is not implemented by this engine")
    policy = (host.get("RestartPolicy") or {}).get("Name") or "no"
    if policy in {"always", "unless-stopped", "on-failure"}:
        raise NotImplementedHere(f"HostConfig.RestartPolicy = {policy!r} is not implemented by this engine")
    if policy != "no":
        raise InvalidParameter(f"invalid restart policy: unknown policy '{policy}'")
    test = (body.get("Healthcheck") or {}).get("Test") or []
    if test and test[0] not in {"", "NONE"}:
        raise NotImplementedHere("Healthcheck is not implemented by this engine")
