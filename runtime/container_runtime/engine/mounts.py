"""Binds, Mounts and Tmpfs of a create request as OCI mounts: pure; only the checks of sources look at the host."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from container_runtime.errors import InvalidParameter, NotImplementedHere
from container_runtime.oci.defaults import DEFAULT_MOUNTS, DEFAULT_SHM_SIZE, shm_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from container_runtime.oci.spec import Mount

_TMPFS_DEFAULTS: tuple[str, ...] = ("noexec", "nosuid", "nodev")
_PROPAGATION = frozenset(("private", "rprivate", "slave", "rslave", "shared", "rshared"))
_BIND_WORDS = _PROPAGATION | {"ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated"}
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


def _bind(source: str, destination: str, *, readonly: bool, propagation: str = "rprivate") -> Mount:
    options = ["rbind", propagation] + (["ro"] if readonly else [])
    return {"destination": destination, "type": "bind", "source": source, "options": options}


def parse_bind(text: str) -> Mount:
    """``source:destination[:options]`` of ``HostConfig.Binds``."""
    parts = text.split(":")
    if len(parts) not in {2, 3} or not parts[0]:
        raise InvalidParameter(f"invalid volume specification in HostConfig.Binds: '{text}'")
    if not parts[0].startswith("/"):
        raise NotImplementedHere(f"HostConfig.Binds '{text}': named volumes are not implemented; give an absolute path")
    words = parts[2].split(",") if len(parts) == 3 else []
    for word in words:
        if word not in _BIND_WORDS:
            raise InvalidParameter(f"invalid mode in HostConfig.Binds '{text}': {word}")
    propagation = next((word for word in words if word in _PROPAGATION), "rprivate")
    destination = clean_destination(parts[1], "HostConfig.Binds")
    return _bind(posixpath.normpath(parts[0]), destination, readonly="ro" in words, propagation=propagation)


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


def parse_mount(mount: Mapping[str, Any]) -> Mount:
    """One entry of ``HostConfig.Mounts``."""
    kind = mount.get("Type") or ""
    destination = clean_destination(mount.get("Target") or "", "HostConfig.Mounts")
    readonly = bool(mount.get("ReadOnly"))
    if kind == "bind":
        source = mount.get("Source") or ""
        if not source.startswith("/"):
            raise InvalidParameter(f"invalid mount config for type 'bind': source '{source}' must be an absolute path")
        options = mount.get("BindOptions") or {}
        propagation = options.get("Propagation") or "rprivate"
        if propagation not in _PROPAGATION:
            raise InvalidParameter(f"invalid mount config for type 'bind': propagation '{propagation}'")
        return _bind(posixpath.normpath(source), destination, readonly=readonly, propagation=propagation)
    if kind == "tmpfs":
        options = mount.get("TmpfsOptions") or {}
        words = list(_TMPFS_DEFAULTS)
        if options.get("SizeBytes"):
            words.append(f"size={int(options['SizeBytes'])}")
        words.append(f"mode={int(options.get('Mode') or 0o1777):o}")
        return {
            "destination": destination,
            "type": "tmpfs",
            "source": "tmpfs",
            "options": words + (["ro"] if readonly else []),
        }
    if kind in {"volume", "image", "cluster", "npipe"}:
        raise NotImplementedHere(f"HostConfig.Mounts: type '{kind}' is not implemented; use bind or tmpfs")
    raise InvalidParameter(f"invalid mount config: mount type unknown: '{kind}'")


def asked_mounts(host: Mapping[str, Any]) -> list[Mount]:
    """What the request mounts, sorted so that no mount hides one that came before.

    Raises:
        InvalidParameter: a bad entry, or two at the same place.
    """
    mounts = [parse_bind(text) for text in host.get("Binds") or []]
    mounts += [parse_tmpfs(where, text) for where, text in (host.get("Tmpfs") or {}).items()]
    mounts += [parse_mount(one) for one in host.get("Mounts") or []]
    seen: set[str] = set()
    for one in mounts:
        if one["destination"] in seen:
            raise InvalidParameter(f"Duplicate mount point: {one['destination']}")
        seen.add(one["destination"])
    mounts.sort(key=lambda one: one["destination"].count("/"))
    return mounts


def _shm(size: int, shm: str) -> Mount:
    """The shared memory: new, the machine's, or another container's (``modes.Modes``)."""
    place = "/dev/shm"  # noqa: S108
    if shm == "machine":
        return _bind(place, place, readonly=False)
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
        _bind(source, destination, readonly=readonly)
        for destination, source in files.items()
        if destination not in places
    ]
    return mounts + asked
