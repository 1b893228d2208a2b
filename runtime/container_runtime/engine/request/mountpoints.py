"""What a create request mounts, as Docker's mount points: pure, on values alone.

The rules and messages are moby's (volume/mounts/linux_parser.go; daemon/volumes.go, registerMountPoints). Volumes get
their names and directories later, when they are made (``mounting``).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from container_runtime.errors import InvalidParameter, NotImplementedHere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_RW = frozenset({"ro", "rw"})
_LABELS = frozenset({"z", "Z"})
_PROPAGATION = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
_COPY = frozenset({"nocopy"})
_CONSISTENCY = frozenset({"consistent", "cached", "delegated"})
_MODES = (_RW, _LABELS, _PROPAGATION, _COPY, _CONSISTENCY)
# Which of the options a type may have.
_OPTIONS = {"bind": "BindOptions", "volume": "VolumeOptions", "tmpfs": "TmpfsOptions", "image": "ImageOptions"}
_TMPFS_WORDS = frozenset({"exec", "noexec"})


@dataclass(slots=True)
class MountPoint:
    """One mount of a container; what does not concern its kind is empty."""

    kind: str
    """"bind", "volume" or "tmpfs"."""
    destination: str
    source: str = ""
    """The path on the machine; of a volume, once it is made, its directory."""
    place: str = ""
    """Of a volume: the directory that is bound, where that is another one than ``source``."""
    mode: str = ""
    """The options as they were written."""
    writable: bool = True
    propagation: str = ""
    recursive: bool = True
    """Of a bind: with what is mounted below."""
    readonly_tree: bool = True
    """Of a bind that is not writable: what is mounted below it is not either."""
    readonly_forced: bool = False
    """It is an error where the kernel cannot do that."""
    create: bool = False
    """Of a bind: a source that is not there is made."""
    name: str = ""
    anonymous: bool = False
    """Of a volume: nobody named it, so it goes with the container where that is asked for."""
    copy: bool = False
    """Of a volume: when it is empty, it gets what the image has there."""
    driver: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    subpath: str = ""
    words: tuple[str, ...] = ()
    """More options of mount(8): of a tmpfs, or of a volume that is a bind."""

    def view(self) -> dict[str, Any]:
        """Docker's ``MountPoint``."""
        shown: dict[str, Any] = {"Type": self.kind}
        if self.kind == "volume":
            shown["Name"] = self.name
        shown |= {"Source": self.source, "Destination": self.destination}
        if self.kind == "volume":
            shown["Driver"] = "local"
        return shown | {"Mode": self.mode, "RW": self.writable, "Propagation": self.propagation}


def _target(path: str) -> str:
    """The normal form of a destination.

    Raises:
        InvalidParameter: it is relative, or the root.
    """
    if not path.startswith("/") or "\0" in path:
        raise InvalidParameter(f"invalid mount path: '{path}' mount path must be absolute")
    clean = posixpath.normpath(path).replace("//", "/")
    if clean == "/":
        raise InvalidParameter("invalid specification: destination can't be '/'")
    return clean


def _valid_mode(mode: str) -> bool:
    """Whether each word is known, and there is one of each sort at most."""
    words = mode.split(",") if mode else []
    counts = [sum(word in sort for word in words) for sort in _MODES]
    return sum(counts) == len(words) and max(counts) <= 1


def _check_propagation(word: str) -> str:
    if word in {"shared", "rshared"}:
        raise NotImplementedHere(
            f"mount propagation '{word}' is not implemented by this engine: what a container mounts never reaches the "
            "machine; rslave lets mounts of the machine reach the container"
        )
    return word


def parse_bind(text: str, driver: str = "") -> MountPoint:
    """``[source-or-name:]destination[:options]`` of ``HostConfig.Binds``; ``driver`` is HostConfig.VolumeDriver.

    Raises:
        InvalidParameter: it cannot be read.
        NotImplementedHere: shared propagation.
    """
    parts = text.split(":")
    if not parts[0] or len(parts) > 3 or (len(parts) == 2 and _valid_mode(parts[1])):
        raise InvalidParameter(f"invalid volume specification: '{text}'")
    mode = parts[2] if len(parts) == 3 else ""
    if not _valid_mode(mode):
        raise InvalidParameter(f"invalid mode: {mode}")
    source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    words = set(mode.split(","))
    propagation = next(iter(words & _PROPAGATION), "")
    kind = "bind" if source.startswith("/") else "volume"
    extra = ("VolumeOptions" if words & _COPY else "") if kind == "bind" else ("BindOptions" if propagation else "")
    try:
        destination = _target(target)
        if extra:
            raise InvalidParameter(f"field {extra} must not be specified")
    except InvalidParameter as error:
        raise InvalidParameter(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": {error}"
        ) from None
    point = MountPoint(kind, destination, mode=mode, writable="ro" not in words)
    if kind == "bind":
        point.source, point.create = posixpath.normpath(source).replace("//", "/"), True
        point.propagation = _check_propagation(propagation or "rprivate")
    else:
        point.name, point.anonymous, point.driver = source, not source, driver
        point.copy, point.mode = not words & _COPY, mode or "z"
    return point


def parse_mount(mount: Mapping[str, Any]) -> MountPoint:
    """One entry of ``HostConfig.Mounts``.

    Raises:
        InvalidParameter: it makes no sense; the message says which field.
        NotImplementedHere: an image as a mount, shared propagation.
    """
    kind = mount.get("Type") or ""
    for other, options in _OPTIONS.items():
        if other != kind and kind in _OPTIONS and mount.get(options) is not None:
            raise InvalidParameter(f'{options} must not be specified on mount type "{kind}"')
    try:
        target = mount.get("Target") or ""
        if not target:
            raise InvalidParameter("field Target must not be empty")
        point = MountPoint(kind, _target(target), writable=not mount.get("ReadOnly"))
        if kind not in _KINDS:
            raise InvalidParameter("mount type unknown")
        _KINDS[kind](point, mount.get("Source") or "", mount.get(_OPTIONS[kind]) or {})
    except InvalidParameter as error:
        raise InvalidParameter(f'invalid mount config for type "{kind}": {error}') from None
    return point


def _as_bind(point: MountPoint, source: str, options: Mapping[str, Any]) -> None:
    propagation = options.get("Propagation") or "rprivate"
    if not source:
        raise InvalidParameter("field Source must not be empty")
    if propagation not in _PROPAGATION:
        raise InvalidParameter(f"invalid propagation mode: {propagation}")
    if not source.startswith("/"):
        raise InvalidParameter(f"invalid mount path: '{source}' mount path must be absolute")
    point.source = posixpath.normpath(source).replace("//", "/")
    point.propagation = _check_propagation(propagation)
    point.create = bool(options.get("CreateMountpoint"))
    point.recursive = not options.get("NonRecursive")
    point.readonly_tree = not options.get("ReadOnlyNonRecursive")
    point.readonly_forced = bool(options.get("ReadOnlyForceRecursive"))
    if point.readonly_forced and point.writable:
        raise InvalidParameter("mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive")
    if point.readonly_forced and not point.readonly_tree:
        raise InvalidParameter("mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive")


def _as_volume(point: MountPoint, source: str, options: Mapping[str, Any]) -> None:
    subpath = options.get("Subpath") or ""
    if subpath and not source:
        raise InvalidParameter("must not set Subpath when using anonymous volumes")
    if subpath and (subpath.startswith("/") or ".." in subpath.split("/")):
        raise InvalidParameter("subpath must be a relative path within the volume")
    if not point.writable and not source:
        raise InvalidParameter("must not set ReadOnly mode when using anonymous volumes")
    driver: Mapping[str, Any] = options.get("DriverConfig") or {}
    point.name, point.anonymous, point.mode = source, not source, "z"
    point.copy, point.subpath = not options.get("NoCopy"), subpath
    point.labels, point.driver = options.get("Labels") or {}, driver.get("Name") or ""
    point.options = driver.get("Options") or {}


def _as_tmpfs(point: MountPoint, source: str, options: Mapping[str, Any]) -> None:
    if source:
        raise InvalidParameter("field Source must not be specified")
    words: list[str] = []
    size, mode = options.get("SizeBytes") or 0, options.get("Mode") or 0
    if size < 0 or not 0 <= mode <= 0o7777:
        raise InvalidParameter(f"invalid TmpfsOptions: SizeBytes {size}, Mode {mode}")
    if size:
        words.append(f"size={size}")
    if mode:
        words.append(f"mode={mode:o}")
    for pair in options.get("Options") or ():
        if not 1 <= len(pair) <= 2:
            raise InvalidParameter("invalid option array length")
        if pair[0] not in _TMPFS_WORDS:
            raise InvalidParameter(f"invalid option: {pair[0]}")
        words.append(pair[0])
    point.words = tuple(words)


def _as_image(point: MountPoint, source: str, options: Mapping[str, Any]) -> None:
    del options
    if not source:
        raise InvalidParameter("field Source must not be empty")
    raise NotImplementedHere(
        f"HostConfig.Mounts: type 'image' is not implemented by this engine ({source} at {point.destination}); copy "
        "what is needed into a volume: docker run -v name:/path IMAGE fills an empty one"
    )


_KINDS: dict[str, Callable[[MountPoint, str, Mapping[str, Any]], None]] = {
    "bind": _as_bind,
    "volume": _as_volume,
    "tmpfs": _as_tmpfs,
    "image": _as_image,
}


def parse_volumes_from(text: str) -> tuple[str, bool]:
    """``container[:options]`` of ``HostConfig.VolumesFrom``: the container, and whether it may be written.

    Raises:
        InvalidParameter: no container, or an option that is not for this.
    """
    name, _, mode = text.partition(":")
    if not text:
        raise InvalidParameter("volumes-from specification cannot be an empty string")
    words = set(mode.split(","))
    if not _valid_mode(mode) or words & (_PROPAGATION | _COPY):
        raise InvalidParameter(f"invalid mode: {mode}")
    return name, "ro" not in words


def inherited(points: Iterable[MountPoint], *, writable: bool) -> list[MountPoint]:
    """The mounts of another container as those of one that asks for them; nothing is copied into them again."""
    return [replace(one, mode="", writable=one.writable and writable, copy=False, create=False) for one in points]


def collect(
    host: Mapping[str, Any], declared: Iterable[str], others: Callable[[str], Sequence[MountPoint]]
) -> list[MountPoint]:
    """All mount points of a container but ``HostConfig.Tmpfs``, in no order.

    ``declared``: paths of ``Volumes`` in the image and the request, of which an anonymous volume is made where nothing
    else is mounted. ``others``: the mount points of the container with that name.

    Raises:
        InvalidParameter: a bad entry, or two at the same place.
        NotImplementedHere: see ``parse_bind`` and ``parse_mount``.
    """
    found: dict[str, MountPoint] = {}
    for text in host.get("VolumesFrom") or ():
        name, writable = parse_volumes_from(text)
        for point in inherited(others(name), writable=writable):
            found[point.destination] = point
    own: dict[str, MountPoint] = {}
    tmpfs = {posixpath.normpath(path) for path in host.get("Tmpfs") or ()}
    asked = [parse_bind(text, host.get("VolumeDriver") or "") for text in host.get("Binds") or ()]
    for point in [*asked, *map(parse_mount, host.get("Mounts") or ())]:
        if point.destination in own or point.destination in tmpfs:
            raise InvalidParameter(f"Duplicate mount point: {point.destination}")
        own[point.destination] = point
    found = {where: point for where, point in found.items() if where not in tmpfs} | own
    for path in declared:
        try:
            where = _target(path)
        except InvalidParameter as error:
            raise InvalidParameter(f"Volumes: '{path}': {error}") from None
        if where not in found and where not in tmpfs:
            found[where] = MountPoint("volume", where, anonymous=True, copy=True)
    return [*found.values()]
