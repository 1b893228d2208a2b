"""Options of Docker's local driver: what is mounted as a volume, by mount(2), when it is first used. Pure.

The rules and messages are moby's (volume/local/local_unix.go, validateOpts).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from container_runtime.errors import InvalidParameter, NotFound
from container_runtime.kernel import syscalls as sys

if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN = ("type", "o", "device", "size")
_NEEDS = (("type", "device"), ("device", "type"), ("o", "device"), ("o", "type"))
# mount(8), "Filesystem-independent mount options": flags to set, flags to clear.
_FLAGS = {
    "defaults": (0, 0), "ro": (sys.MS_RDONLY, 0), "rw": (0, sys.MS_RDONLY), "nosuid": (sys.MS_NOSUID, 0),
    "suid": (0, sys.MS_NOSUID), "nodev": (sys.MS_NODEV, 0), "dev": (0, sys.MS_NODEV), "noexec": (sys.MS_NOEXEC, 0),
    "exec": (0, sys.MS_NOEXEC), "sync": (sys.MS_SYNCHRONOUS, 0), "async": (0, sys.MS_SYNCHRONOUS),
    "dirsync": (sys.MS_DIRSYNC, 0), "noatime": (sys.MS_NOATIME, 0), "atime": (0, sys.MS_NOATIME),
    "nodiratime": (sys.MS_NODIRATIME, 0), "diratime": (0, sys.MS_NODIRATIME), "relatime": (sys.MS_RELATIME, 0),
    "norelatime": (0, sys.MS_RELATIME), "strictatime": (sys.MS_STRICTATIME, 0),
    "nostrictatime": (0, sys.MS_STRICTATIME),
    "bind": (sys.MS_BIND, 0), "rbind": (sys.MS_BIND | sys.MS_REC, 0),
}  # fmt: skip


class Source(NamedTuple):
    """The arguments of mount(2)."""

    device: str
    kind: str
    flags: int
    data: str

    @property
    def is_bind(self) -> bool:
        """Whether it is a directory of the machine, which containers are given as such."""
        return bool(self.flags & sys.MS_BIND)


def check_driver(driver: str, name: str) -> None:
    """Return where the driver is the one that is here.

    Raises:
        NotFound: as Docker without such a plugin.
    """
    if driver not in {"", "local"}:
        raise NotFound(
            f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found '
            "(the only driver of this engine is local)"
        )


def check(options: Mapping[str, str], name: str) -> None:
    """Return where the options make sense together.

    Raises:
        InvalidParameter: one is unknown, or lacks another.
    """
    for option in options:
        if option not in _KNOWN:
            raise InvalidParameter(f'create {name}: invalid option: "{option}"')
    if "size" in options:
        raise InvalidParameter(f"create {name}: quota size requested but no quota support (o=size=… limits a tmpfs)")
    for option, needed in _NEEDS:
        if option in options and needed not in options:
            raise InvalidParameter(f'create {name}: missing required option: "{needed}"')
    if options and not options["device"]:
        raise InvalidParameter(f'create {name}: missing required option: "device"')


def source_of(options: Mapping[str, str]) -> Source:
    """What is to be mounted, from options that ``check`` has let through."""
    flags = 0
    data: list[str] = []
    for word in options.get("o", "").split(","):
        if word in _FLAGS:
            sets, clears = _FLAGS[word]
            flags = flags & ~clears | sets
        elif word:
            data.append(word)
    return Source(options["device"], options["type"], flags, ",".join(data))


def address(source: Source) -> str:
    """The ``addr=`` of a network filesystem, whose name the kernel does not resolve; empty where there is none."""
    if source.kind not in {"nfs", "nfs4", "cifs"}:
        return ""
    return next((word[5:] for word in source.data.split(",") if word.startswith("addr=")), "")
