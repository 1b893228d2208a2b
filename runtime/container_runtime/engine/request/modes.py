"""PidMode, IpcMode, UTSMode and CgroupnsMode: whose namespaces a container has.

"host" means the engine's: for process ids that is the launcher's namespace, where all containers of the run are seen
and nothing else is, since a process cannot go back to a pid namespace above its own (pid_namespaces(7)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.errors import Conflict, InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from container_runtime.engine.container import Container
    from container_runtime.oci.spec import Namespace

_FIELDS = {"pid": "PidMode", "ipc": "IpcMode", "uts": "UTSMode", "cgroup": "CgroupnsMode"}
_WORDS = {
    "pid": frozenset(("", "private", "host")),
    "ipc": frozenset(("", "private", "shareable", "none", "host")),
    "uts": frozenset(("", "private", "host")),
    "cgroup": frozenset(("", "private", "host")),
}
_MACHINES = "/dev/shm"  # noqa: S108


class Modes(NamedTuple):
    """The namespaces besides those of mounts and network, and where /dev/shm comes from."""

    namespaces: list[Namespace]
    shm: str
    """"new", "none", "machine", or the mount namespace of the container that it is shared with."""


PRIVATE = Modes([{"type": kind} for kind in ("uts", "pid", "ipc", "cgroup")], "new")


def check(host: Mapping[str, Any], find: Callable[[str], Container]) -> None:
    """Refuse what no start could do.

    Raises:
        InvalidParameter: a mode that there is not.
        NotFound: no such container.
    """
    for kind, field in _FIELDS.items():
        mode: str = host.get(field) or ""
        if mode.startswith("container:") and kind in {"pid", "ipc"}:
            find(mode.partition(":")[2])
        elif mode not in _WORDS[kind]:
            raise InvalidParameter(f"invalid value {mode!r} for HostConfig.{field}")


def resolve(host: Mapping[str, Any], find: Callable[[str], Container]) -> Modes:
    """The namespaces as config.json has them.

    Raises:
        Conflict: a container that they are shared with does not run, or does not share.
    """
    if not any(host.get(field) for field in _FIELDS.values()):
        return PRIVATE
    namespaces: list[Namespace] = []
    for kind, field in _FIELDS.items():
        mode: str = host.get(field) or ""
        if mode.startswith("container:"):
            other = _running(find(mode.partition(":")[2]), kind)
            namespaces.append({"type": kind, "path": f"/proc/{other.pid}/ns/{kind}"})
        elif mode != "host":
            namespaces.append({"type": kind})
    return Modes(namespaces, _shm(host.get("IpcMode") or "", find))


def _running(other: Container, kind: str) -> Container:
    if not other.running:
        raise Conflict(f"cannot join {kind.upper()} namespace of a non running container: {other.id}")
    if kind == "ipc" and (other.host.get("IpcMode") or "private") in {"private", "none"}:
        raise Conflict(
            f"cannot join IPC of container {other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor "
            "container)"
        )
    return other


def _shm(mode: str, find: Callable[[str], Container]) -> str:
    if mode.startswith("container:"):
        return f"/proc/{find(mode.partition(':')[2]).pid}/ns/mnt"
    return {"none": "none", "host": "machine"}.get(mode, "new")
