"""Image and create request to OCI ``config.json``: pure, so that it is tested without a kernel.

Nothing here reads a file or asks the system; what must be looked up (devices, passwd, group, the network) comes in as
values, in ``Facts``.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from container_runtime.engine.request import resources
from container_runtime.engine.request.modes import PRIVATE, Modes
from container_runtime.engine.request.mounts import all_mounts, asked_mounts, clean_destination
from container_runtime.engine.request.users import ResolvedUser, resolve
from container_runtime.errors import InvalidParameter, NotImplementedHere
from container_runtime.oci.defaults import DEFAULT_PATH, MASKED_PATHS, READONLY_PATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from container_runtime.engine.request.mountpoints import MountPoint
    from container_runtime.oci.spec import Box, Capabilities, Config, Mount, Namespace, Process, User


@dataclass(slots=True)
class Facts:
    """What the engine has looked up and made for one container."""

    identity: str
    hostname: str
    root_path: str
    cgroups_path: str
    root_mounts: Sequence[Mount] = ()
    """Of the root filesystem, the first at "/"."""
    points: Sequence[MountPoint] = ()
    """Its mount points, volumes with their directories."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """Destination in the container -> file on the host: hosts, hostname, resolv.conf."""
    modes: Modes = PRIVATE
    network: Namespace | None = field(default_factory=lambda: {"type": "network"})
    """None: the host's network."""
    passwd: bytes | None = None
    group: bytes | None = None
    seccomp: dict[str, Any] | None = None
    device: Callable[[str], tuple[str, int, int]] | None = None


def command(image: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
    """Entrypoint and command as Docker joins them: the image's command counts only with the image's entrypoint.

    Raises:
        InvalidParameter: nothing to run.
    """
    entrypoint = body.get("Entrypoint")
    arguments = body.get("Cmd")
    if entrypoint is None:
        entrypoint = image.get("Entrypoint")
        if not arguments:
            arguments = image.get("Cmd")
    elif entrypoint == [""]:  # `docker run --entrypoint ""`: none, not the image's
        entrypoint = []
    words = [*(entrypoint or []), *(arguments or [])]
    if not words:
        raise InvalidParameter("no command specified")
    if not words[0]:
        raise InvalidParameter('exec: "": executable file not found in $PATH: the command\'s first word is empty')
    return words


def merge_environment(*layers: Sequence[str] | None) -> list[str]:
    """Later settings win; a name without ``=`` takes the variable out (as Docker's replaceOrAppendEnvValues)."""
    found: dict[str, str | None] = {}
    for layer in layers:
        for line in layer or ():
            name, sign, value = line.partition("=")
            if not name or "\0" in line:
                raise InvalidParameter(f"invalid environment variable: {line!r}")
            found[name] = value if sign else None
    return [f"{name}={value}" for name, value in found.items() if value is not None]


def environment(image: Mapping[str, Any], body: Mapping[str, Any], hostname: str, home: str) -> list[str]:
    """PATH, HOSTNAME, (TERM,) the image's, the request's, and HOME where nobody set it."""
    base = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if body.get("Tty"):
        base.append("TERM=xterm")
    merged = merge_environment(base, image.get("Env"), body.get("Env"))
    if not any(line.startswith("HOME=") for line in merged):
        merged.append(f"HOME={home}")
    return merged


def working_directory(image: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """The request's, else the image's, else ``/``.

    Raises:
        InvalidParameter: it is not absolute.
    """
    path = body.get("WorkingDir") or image.get("WorkingDir") or "/"
    if not path.startswith("/") or "\0" in path:
        raise InvalidParameter(f"the working directory '{path}' is invalid, it needs to be an absolute path")
    return posixpath.normpath(path).replace("//", "/")


def security(options: Sequence[str] | None) -> tuple[bool, bool, bool]:
    """``HostConfig.SecurityOpt`` as (no new privileges, seccomp, masked system paths).

    Raises:
        InvalidParameter: an option that Docker does not know either.
        NotImplementedHere: a profile of the caller's own.
    """
    no_new_privileges, seccomp, masked = False, True, True
    for option in options or ():
        key, _, value = option.replace(":", "=", 1).partition("=") if "=" not in option else option.partition("=")
        if key == "no-new-privileges" and value in {"", "true", "false"}:
            no_new_privileges = value != "false"
        elif key == "seccomp" and value in {"unconfined", "builtin"}:
            seccomp = value == "builtin"
        elif key == "systempaths" and value == "unconfined":
            masked = False
        elif key == "seccomp":
            raise NotImplementedHere("HostConfig.SecurityOpt: seccomp takes only 'unconfined' and 'builtin' here")
        elif key not in {"apparmor", "label"} or value not in {"unconfined", "disable"}:
            raise InvalidParameter(f"invalid value {option!r} for HostConfig.SecurityOpt")
    return no_new_privileges, seccomp, masked


def _capability_sets(names: list[str], uid: int) -> Capabilities:
    # As Docker: a program of another user starts with none in force, and may gain those of the bounding set by a
    # file's capabilities or the set-user-ID bit.
    held = names if uid == 0 else []
    return {"bounding": names, "effective": held, "permitted": held}


def process(image: Mapping[str, Any], body: Mapping[str, Any], facts: Facts) -> Process:
    """The process section of a container's first process."""
    host: Mapping[str, Any] = body.get("HostConfig") or {}
    user = resolve(
        body.get("User") or image.get("User") or "", facts.passwd, facts.group, tuple(host.get("GroupAdd") or ())
    )
    no_new_privileges, _, _ = security(host.get("SecurityOpt"))
    section: Process = {
        "user": _user(user),
        "args": command(image, body),
        "env": environment(image, body, facts.hostname, user.home),
        "cwd": working_directory(image, body),
        "capabilities": _capability_sets(resources.capabilities(host), user.uid),
        "noNewPrivileges": no_new_privileges,
    }
    if body.get("Tty"):
        section["terminal"] = True
        section["consoleSize"] = console_size(host.get("ConsoleSize"))
    if limits := resources.rlimits(host):
        section["rlimits"] = limits
    if adjustment := host.get("OomScoreAdj"):
        if not -1000 <= adjustment <= 1000:
            raise InvalidParameter(f"Invalid value {adjustment} for HostConfig.OomScoreAdj: range is [-1000, 1000]")
        section["oomScoreAdj"] = adjustment
    return section


def _user(user: ResolvedUser) -> User:
    section: User = {"uid": user.uid, "gid": user.gid}
    if user.groups:
        section["additionalGids"] = list(user.groups)
    return section


def console_size(size: Sequence[int] | None) -> Box:
    """``ConsoleSize`` (height, width) as OCI has it; zeros where none is asked for, which leave it to the kernel.

    Raises:
        InvalidParameter: not two numbers that a terminal can have.
    """
    if not size:
        return {"height": 0, "width": 0}
    if len(size) != 2 or not all(0 <= number < 1 << 16 for number in size):
        raise InvalidParameter(f"invalid value {list(size)!r} for ConsoleSize: height and width are expected")
    return {"height": size[0], "width": size[1]}


def exec_process(container: Process, body: Mapping[str, Any], passwd: bytes | None, group: bytes | None) -> Process:
    """The process section of an exec: the container's own, with what the request changes.

    Raises:
        InvalidParameter: no command, an unknown user, a bad variable.
    """
    arguments = body.get("Cmd") or []
    if not arguments or not arguments[0]:
        raise InvalidParameter("No exec command specified")
    section: Process = {**container, "args": list(arguments)}
    section.pop("terminal", None)
    section.pop("consoleSize", None)
    section["env"] = merge_environment(container["env"], ["TERM=xterm"] if body.get("Tty") else None, body.get("Env"))
    if body.get("Tty"):
        section["terminal"] = True
        section["consoleSize"] = console_size(body.get("ConsoleSize"))
    if body.get("WorkingDir"):
        section["cwd"] = working_directory({}, body)
    names = container.get("capabilities", {"bounding": []})["bounding"]
    uid = container["user"]["uid"]
    if body.get("User"):
        user = resolve(body["User"], passwd, group)
        section["user"] = _user(user)
        uid = user.uid
        if not any(line.startswith("HOME=") for line in body.get("Env") or ()):
            section["env"] = merge_environment(section["env"], [f"HOME={user.home}"])
    if body.get("Privileged"):
        names = resources.capabilities({"Privileged": True})
    section["capabilities"] = _capability_sets(names, uid)
    return section


def _devices(host: Mapping[str, Any], facts: Facts) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for one in host.get("Devices") or []:
        source = one.get("PathOnHost") or ""
        access = one.get("CgroupPermissions") or "rwm"
        if facts.device is None or not source.startswith("/") or set(access) - set("rwm"):
            raise InvalidParameter(f"invalid device in HostConfig.Devices: {source!r} with access {access!r}")
        kind, major, minor = facts.device(source)
        path = clean_destination(one.get("PathInContainer") or source, "HostConfig.Devices")
        found.append({"path": path, "type": kind, "major": major, "minor": minor, "access": access})
    return found


def _paths(host: Mapping[str, Any], key: str, default: Sequence[str]) -> list[str]:
    """The paths below /proc and /sys that the request names, else the default."""
    wanted = host.get(key)
    if wanted is None or host.get("Privileged"):
        return list(default)
    return [clean_destination(str(path), f"HostConfig.{key}") for path in wanted]


def _namespaces(facts: Facts) -> list[Namespace]:
    namespaces: list[Namespace] = [{"type": "mount"}, *facts.modes.namespaces]
    if facts.network is not None:
        namespaces.append(facts.network)
    return namespaces


def generate(image: Mapping[str, Any], body: Mapping[str, Any], facts: Facts) -> Config:
    """The whole ``config.json`` of a container.

    ``image`` is the image's ``config`` section, ``body`` Docker's create request with its types already checked.

    Raises:
        InvalidParameter: a value that makes no sense; the message names the field.
        NotImplementedHere: a value that only Docker has.
    """
    host: Mapping[str, Any] = body.get("HostConfig") or {}
    devices = _devices(host, facts)
    privileged = bool(host.get("Privileged"))
    _, seccomp, masked = security(host.get("SecurityOpt"))
    masked = masked and not privileged
    mounts = all_mounts(host, asked_mounts(host, facts.points), facts.files, facts.modes.shm)
    mounts[:0] = facts.root_mounts
    config: Config = {
        "ociVersion": "1.2.0",
        "hostname": facts.hostname if {"type": "uts"} in facts.modes.namespaces else "",
        "root": {"path": facts.root_path, "readonly": bool(host.get("ReadonlyRootfs"))},
        "mounts": mounts,
        "process": process(image, body, facts),
        "linux": {
            "namespaces": _namespaces(facts),
            "resources": resources.resources(host, devices, facts.device),
            "cgroupsPath": facts.cgroups_path,
            # Docker's command sends both lists empty for --security-opt systempaths=unconfined.
            "maskedPaths": _paths(host, "MaskedPaths", MASKED_PATHS if masked else ()),
            "readonlyPaths": _paths(host, "ReadonlyPaths", READONLY_PATHS if masked else ()),
        },
    }
    if body.get("Domainname") and config["hostname"]:
        config["domainname"] = body["Domainname"]
    if devices:
        config["linux"]["devices"] = [
            {"path": one["path"], "type": one["type"], "major": one["major"], "minor": one["minor"], "fileMode": 0o666}
            for one in devices
        ]
    if found := resources.sysctls(host, own_network=facts.network is not None):
        config["linux"]["sysctl"] = found
    if facts.seccomp is not None and seccomp and not privileged:
        config["linux"]["seccomp"] = facts.seccomp
    return config
