"""Values of requests, checked before anything is done with them."""

from __future__ import annotations

import time
from typing import Any

from container_runtime.errors import InvalidParameter

_TEXT, _FLAG, _NUMBER = "a string", "true or false", "a whole number"
_PAIR = "a list of two whole numbers"
_LIST, _MAP, _OBJECT, _LISTS = "a list of strings", "a map of strings", "an object", "a list of lists of strings"

_CREATE = {
    "Image": _TEXT, "Hostname": _TEXT, "Domainname": _TEXT, "User": _TEXT, "WorkingDir": _TEXT, "MacAddress": _TEXT,
    "StopSignal": _TEXT, "Tty": _FLAG, "OpenStdin": _FLAG, "StdinOnce": _FLAG, "AttachStdin": _FLAG,
    "AttachStdout": _FLAG, "AttachStderr": _FLAG, "NetworkDisabled": _FLAG, "StopTimeout": _NUMBER, "Env": _LIST,
    "Cmd": _LIST, "Entrypoint": _LIST, "Labels": _MAP, "ExposedPorts": _OBJECT, "Volumes": _OBJECT,
    "HostConfig": _OBJECT, "NetworkingConfig": _OBJECT, "Healthcheck": _OBJECT,
}  # fmt: skip
_HOST = {
    "NetworkMode": _TEXT, "Memory": _NUMBER, "MemorySwap": _NUMBER, "MemoryReservation": _NUMBER, "NanoCpus": _NUMBER,
    "CpuShares": _NUMBER, "CpuQuota": _NUMBER, "CpuPeriod": _NUMBER, "CpusetCpus": _TEXT, "CpusetMems": _TEXT,
    "PidsLimit": _NUMBER, "OomScoreAdj": _NUMBER, "ShmSize": _NUMBER, "AutoRemove": _FLAG, "Privileged": _FLAG,
    "ReadonlyRootfs": _FLAG, "Init": _FLAG, "Binds": _LIST, "CapAdd": _LIST, "CapDrop": _LIST, "Dns": _LIST,
    "DnsSearch": _LIST, "DnsOptions": _LIST, "ExtraHosts": _LIST, "GroupAdd": _LIST, "SecurityOpt": _LIST,
    "DeviceCgroupRules": _LIST, "Links": _LIST, "CgroupParent": _TEXT, "PidMode": _TEXT, "IpcMode": _TEXT,
    "UTSMode": _TEXT, "CgroupnsMode": _TEXT, "UsernsMode": _TEXT, "BlkioWeight": _NUMBER, "Annotations": _MAP,
    "Tmpfs": _MAP, "Sysctls": _MAP, "RestartPolicy": _OBJECT, "LogConfig": _OBJECT, "PortBindings": _OBJECT,
    "VolumesFrom": _LIST, "VolumeDriver": _TEXT, "PublishAllPorts": _FLAG, "ConsoleSize": _PAIR,
}  # fmt: skip
_IMAGE = {key: kind for key, kind in _CREATE.items() if key not in {"HostConfig", "NetworkingConfig"}} | {
    "OnBuild": _LIST, "Shell": _LIST, "ArgsEscaped": _FLAG,
}  # fmt: skip
_EXEC = {
    "Cmd": _LIST, "Env": _LIST, "User": _TEXT, "WorkingDir": _TEXT, "Tty": _FLAG, "Privileged": _FLAG,
    "AttachStdin": _FLAG, "AttachStdout": _FLAG, "AttachStderr": _FLAG, "DetachKeys": _TEXT, "ConsoleSize": _PAIR,
}  # fmt: skip
ENDPOINT = {"Aliases": _LIST, "IPAMConfig": _OBJECT, "MacAddress": _TEXT}
# Lists of objects in HostConfig.
_NESTED = {
    "Ulimits": {"Name": _TEXT, "Soft": _NUMBER, "Hard": _NUMBER},
    "BlkioDeviceReadBps": {"Path": _TEXT, "Rate": _NUMBER},
    "BlkioDeviceWriteBps": {"Path": _TEXT, "Rate": _NUMBER},
    "BlkioDeviceReadIOps": {"Path": _TEXT, "Rate": _NUMBER},
    "BlkioDeviceWriteIOps": {"Path": _TEXT, "Rate": _NUMBER},
    "Devices": {"PathOnHost": _TEXT, "PathInContainer": _TEXT, "CgroupPermissions": _TEXT},
    "Mounts": {"Type": _TEXT, "Source": _TEXT, "Target": _TEXT, "ReadOnly": _FLAG, "BindOptions": _OBJECT,
               "TmpfsOptions": _OBJECT, "VolumeOptions": _OBJECT, "ImageOptions": _OBJECT},
}  # fmt: skip
_EXEC_START = {"Detach": _FLAG, "Tty": _FLAG, "ConsoleSize": _PAIR}
_LOG = {"Type": _TEXT, "Config": _MAP}
_POLICY = {"Name": _TEXT, "MaximumRetryCount": _NUMBER}
_HEALTH = {
    "Test": _LIST, "Interval": _NUMBER, "Timeout": _NUMBER, "StartPeriod": _NUMBER, "StartInterval": _NUMBER,
    "Retries": _NUMBER,
}  # fmt: skip
UPDATABLE = (
    "BlkioWeight", "CpuPeriod", "CpuQuota", "CpuShares", "CpusetCpus", "CpusetMems", "Memory", "MemoryReservation",
    "MemorySwap", "NanoCpus", "PidsLimit", "RestartPolicy",
)  # fmt: skip
"""What an update may change, of the fields of HostConfig (moby, api/types/container UpdateConfig)."""
# Of the objects in Mounts.
_MOUNT_OPTIONS = {
    "BindOptions": {"Propagation": _TEXT, "NonRecursive": _FLAG, "CreateMountpoint": _FLAG,
                    "ReadOnlyNonRecursive": _FLAG, "ReadOnlyForceRecursive": _FLAG},
    "VolumeOptions": {"NoCopy": _FLAG, "Labels": _MAP, "DriverConfig": _OBJECT, "Subpath": _TEXT},
    "TmpfsOptions": {"SizeBytes": _NUMBER, "Mode": _NUMBER, "Options": _LISTS},
    "ImageOptions": {"Subpath": _TEXT},
}  # fmt: skip
_DRIVER = {"Name": _TEXT, "Options": _MAP}
_LARGEST = 1 << 63


def _is(value: Any, kind: str) -> bool:
    if kind == _TEXT:
        return isinstance(value, str) and "\0" not in value
    if kind == _FLAG:
        return isinstance(value, bool)
    if kind == _NUMBER:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST
    if kind == _LIST:
        return isinstance(value, list) and all(_is(one, _TEXT) for one in value)  # pyright: ignore[reportUnknownVariableType]
    if kind == _LISTS:
        return isinstance(value, list) and all(_is(one, _LIST) for one in value)  # pyright: ignore[reportUnknownVariableType]
    if kind == _PAIR:
        return isinstance(value, list) and len(value) == 2 and all(_is(one, _NUMBER) for one in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if kind == _MAP:
        return isinstance(value, dict) and all(_is(one, _TEXT) for one in value.values())  # pyright: ignore[reportUnknownVariableType]
    return isinstance(value, dict)


def check(body: dict[str, Any], kinds: dict[str, str], prefix: str = "") -> dict[str, Any]:
    """The body without its nulls; fields that are not in ``kinds`` are passed on unchecked.

    Raises:
        InvalidParameter: a field has the wrong type; the message names it.
    """
    checked: dict[str, Any] = {}
    for name, value in body.items():
        if value is None:
            continue
        kind = kinds.get(name)
        if kind is not None and not _is(value, kind):
            raise InvalidParameter(f"invalid value for {prefix}{name}: {kind} is expected")
        checked[name] = value
    return checked


def check_create(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a container's creation.

    Raises:
        InvalidParameter: see ``check``; or there is no image.
    """
    words = {
        name: [body[name]] for name in ("Cmd", "Entrypoint") if isinstance(body.get(name), str)
    }  # as Docker reads it
    checked = check({**body, **words}, _CREATE)
    if not checked.get("Image"):
        raise InvalidParameter("Image: no image specified")
    checked["HostConfig"] = _check_host(checked.get("HostConfig") or {})
    check(checked.get("Healthcheck") or {}, _HEALTH, "Healthcheck.")
    networking = check(checked.get("NetworkingConfig") or {}, {"EndpointsConfig": _OBJECT}, "NetworkingConfig.")
    for name, config in (networking.get("EndpointsConfig") or {}).items():
        if config is not None and not isinstance(config, dict):
            raise InvalidParameter(f"invalid value for NetworkingConfig.EndpointsConfig.{name}: {_OBJECT} is expected")
        where = f"NetworkingConfig.EndpointsConfig.{name}."
        found = check(config or {}, ENDPOINT, where)
        check(found.get("IPAMConfig") or {}, {"IPv4Address": _TEXT}, f"{where}IPAMConfig.")
    checked["NetworkingConfig"] = networking
    return checked


def _check_host(host: dict[str, Any]) -> dict[str, Any]:
    checked = check(host, _HOST, "HostConfig.")
    for name, kinds in _NESTED.items():
        entries: Any = checked.get(name) or []
        if not isinstance(entries, list):
            raise InvalidParameter(f"invalid value for HostConfig.{name}: a list of objects is expected")
        made: list[dict[str, Any]] = []
        for number, entry in enumerate(entries):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            where = f"HostConfig.{name}[{number}]"
            if not isinstance(entry, dict):
                raise InvalidParameter(f"invalid value for {where}: {_OBJECT} is expected")
            found = check(entry, kinds, f"{where}.")  # pyright: ignore[reportUnknownArgumentType]
            for part, options in _MOUNT_OPTIONS.items():
                if part in found:
                    found[part] = check(found[part], options, f"{where}.{part}.")
            volume: dict[str, Any] = found.get("VolumeOptions") or {}
            check(volume.get("DriverConfig") or {}, _DRIVER, f"{where}.VolumeOptions.DriverConfig.")
            made.append(found)
        if made:
            checked[name] = made
    check(checked.get("RestartPolicy") or {}, _POLICY, "HostConfig.RestartPolicy.")
    check(checked.get("LogConfig") or {}, _LOG, "HostConfig.LogConfig.")
    return checked


def check_update(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a container's update: fields of HostConfig. Raises as ``check`` does."""
    checked = check(body, {name: kind for name, kind in _HOST.items() if name in UPDATABLE})
    check(checked.get("RestartPolicy") or {}, _POLICY, "RestartPolicy.")
    return {name: value for name, value in checked.items() if name in UPDATABLE}


def check_image_config(body: dict[str, Any]) -> dict[str, Any]:
    """The configuration that a commit gives its image. Raises as ``check`` does."""
    return check(body, _IMAGE)


def check_exec(body: dict[str, Any]) -> dict[str, Any]:
    """The body of an exec's creation. Raises as ``check`` does."""
    return check(body, _EXEC)


def check_exec_start(body: dict[str, Any]) -> dict[str, Any]:
    """The body of an exec's start. Raises as ``check`` does."""
    return check(body, _EXEC_START)


def parse_moment(text: str | None, name: str) -> int:
    """A time in nanoseconds since 1970: seconds with a fraction, or RFC 3339 in UTC; 0 where there is none.

    Raises:
        InvalidParameter: it is neither.
    """
    if not text or text == "0":
        return 0
    try:
        seconds, _, fraction = text.partition(".")
        if seconds.lstrip("-").isdigit():
            return int(seconds) * 10**9 + int((fraction or "0").ljust(9, "0")[:9])
        import calendar

        whole, _, rest = text.removesuffix("Z").partition(".")
        return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int((rest or "0").ljust(9, "0")[:9])
    except (ValueError, OverflowError):
        raise InvalidParameter(f"invalid value {text!r} for {name}: a time is expected") from None
