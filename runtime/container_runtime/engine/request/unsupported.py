"""What a create request may ask of Docker and this engine does not do yet: said at once, never silently dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from container_runtime.errors import NotImplementedHere

if TYPE_CHECKING:
    from collections.abc import Mapping

# Field of HostConfig -> what may be asked for besides nothing ("", 0, null, empty).
_HOST: dict[str, tuple[Any, ...]] = {
    "UsernsMode": ("host",),
    "BlkioWeightDevice": (),
    "CpuRealtimePeriod": (),
    "CpuRealtimeRuntime": (),
    "DeviceRequests": (),
    "OomKillDisable": (),
    "KernelMemory": (),
    "StorageOpt": (),
    "Runtime": ("runc", "builtin", "io.containerd.runc.v2", "pytest-containers"),
    "Isolation": ("default",),
}


def refuse(body: Mapping[str, Any]) -> None:
    """Return where the request has nothing that this engine lacks.

    Raises:
        NotImplementedHere: it has; the message names the field.
    """
    host: Mapping[str, Any] = body.get("HostConfig") or {}
    for name, allowed in _HOST.items():
        value = host.get(name)
        if value and value not in allowed:
            raise NotImplementedHere(f"HostConfig.{name} = {value!r} is not implemented by this engine")
