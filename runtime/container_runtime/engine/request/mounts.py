"""The mounts of a container as OCI mounts: those every container has, and its mount points. Pure."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from container_runtime.errors import InvalidParameter
from container_runtime.oci.defaults import DEFAULT_MOUNTS, DEFAULT_SHM_SIZE, shm_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from container_runtime.engine.request.mountpoints import MountPoint
    from container_runtime.oci.spec import Mount

_TMPFS_DEFAULTS: tuple[str, ...] = ("noexec", "nosuid", "nodev")
_TMPFS_WORD = re.compile(
    r"(no)?(exec|suid|dev|atime|diratime|swap)|r[ow]|(rel|strict)atime|sync|async|size=\d+[kKmMgG%]?|mode=0?[0-7]{1,4}"
    r"|uid=\d{1,10}|gid=\d{1,10}|nr_(inodes|blocks)=\d+[kKmMgG]?"
)


def clean_destination(path: str, field: str) -> str:
    """The normal form of an absolute path in the container that is not its root.

    Raises:
        InvalidParameter: relative, empty or ``/``.
    """
    if not path.startswith("/") or "\0" in path:
        raise InvalidParameter(f"invalid mount path in {field}: '{path}' mount path must be absolute")
    clean = posixpath.normpath(path).replace("//", "/")
    if clean == "/":
        raise InvalidParameter(f"invalid mount path in {field}: destination can't be '/'")
    return clean


def _bind(source: str, destination: str, *options: str) -> Mount:
    return {"destination": destination, "type": "bind", "source": source, "options": ["rbind", "rprivate", *options]}


def _of_bind(point: MountPoint) -> Mount:
    options = ["rbind" if point.recursive else "bind", point.propagation]
    if not point.writable:
        options.append("ro")
        if point.readonly_tree and point.recursive:
            # OCI's word; without force, a kernel that cannot do it leaves what is mounted below writable, as in Docker.
            options.append("rro=force" if point.readonly_forced else "rro")
    return {"destination": point.destination, "type": "bind", "source": point.source, "options": options}


def _of_volume(point: MountPoint) -> Mount:
    # nodev: a node that a container made opens nothing, as in its own root.
    options = ["rbind" if point.recursive else "bind", "rprivate", "nodev", *point.words]
    if not point.writable:
        options.append("ro")
    source = point.place or point.source
    mount: Mount = {"destination": point.destination, "type": "bind", "source": source, "options": options}
    if point.subpath:
        mount["subpath"] = point.subpath
    return mount


def _of_tmpfs(point: MountPoint) -> Mount:
    options = [*_TMPFS_DEFAULTS, *point.words] + ([] if point.writable else ["ro"])
    return {"destination": point.destination, "type": "tmpfs", "source": "tmpfs", "options": options}


_OF = {"bind": _of_bind, "volume": _of_volume, "tmpfs": _of_tmpfs}


def parse_tmpfs(destination: str, text: str) -> Mount:
    """One entry of ``HostConfig.Tmpfs``: options as mount(8) has them, of those that a container may choose."""
    words = [word for word in text.split(",") if word]
    for word in words:
        if _TMPFS_WORD.fullmatch(word) is None:
            raise InvalidParameter(f"invalid tmpfs option in HostConfig.Tmpfs['{destination}']: {word!r}")
    # A later word wins ("exec" after "noexec").
    return {
        "destination": clean_destination(destination, "HostConfig.Tmpfs"),
        "type": "tmpfs",
        "source": "tmpfs",
        "options": [*_TMPFS_DEFAULTS, *words],
    }


def asked_mounts(host: Mapping[str, Any], points: Iterable[MountPoint] = ()) -> list[Mount]:
    """What the request mounts, sorted so that no mount hides one that came before.

    Raises:
        InvalidParameter: a bad entry of ``HostConfig.Tmpfs``.
    """
    mounts = [_OF[point.kind](point) for point in points]
    mounts += [parse_tmpfs(where, text) for where, text in (host.get("Tmpfs") or {}).items()]
    mounts.sort(key=lambda one: one["destination"].count("/"))
    return mounts


def _shm(size: int, shm: str) -> Mount:
    """The shared memory: new, the machine's, or another container's (``modes.Modes``)."""
    place = "/dev/shm"  # noqa: S108
    if shm == "machine":
        return _bind(place, place)
    if shm != "new":
        return {"destination": place, "type": "shared", "source": f"{shm}:{place}", "options": []}
    return {"destination": place, "type": "tmpfs", "source": "shm", "options": shm_options(size)}


def _default_mounts(host: Mapping[str, Any], asked: set[str], shm: str) -> list[Mount]:
    privileged = bool(host.get("Privileged"))
    mounts: list[Mount] = []
    for destination, kind, source, options in DEFAULT_MOUNTS:
        if destination not in asked:
            words = [word for word in options if word != "ro"] if privileged else list(options)
            mounts.append({"destination": destination, "type": kind, "source": source, "options": words})
    if "/dev/shm" not in asked and shm != "none":  # noqa: S108  the container's own
        size = host.get("ShmSize") or DEFAULT_SHM_SIZE
        if size < 0:
            raise InvalidParameter(f"invalid value {size} for HostConfig.ShmSize: it cannot be negative")
        mounts.append(_shm(size, shm))
    return mounts


def all_mounts(host: Mapping[str, Any], asked: list[Mount], files: Mapping[str, str], shm: str = "new") -> list[Mount]:
    """Default mounts, then the engine's ``files`` (destination -> source on the host), then what was asked for."""
    places = {one["destination"] for one in asked}
    mounts = _default_mounts(host, places, shm)
    readonly = bool(host.get("ReadonlyRootfs"))
    mounts += [
        _bind(source, destination, *(("ro",) if readonly else ()))
        for destination, source in files.items()
        if destination not in places
    ]
    return mounts + asked
