"""A container's files as one directory, whether it runs or not, in a mount namespace of the engine's own.

Of a running one it is a copy of the container's own namespace, so that volumes, binds and tmpfs are there as the
container sees them; of another one its root is mounted for the time. The kernel's own filesystems are left out in both
cases, as Docker does it: nobody wants to copy /proc.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.engine.files import paths
from container_runtime.engine.request import bundle
from container_runtime.engine.storage import roots
from container_runtime.kernel import fuse as kernel_fuse
from container_runtime.kernel import mountspace, syscalls
from container_runtime.kernel.openat2 import Root
from container_runtime.launcher import fuse, operations
from container_runtime.launcher.child import Child

if TYPE_CHECKING:
    from collections.abc import Sequence

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.kernel.mountspace import MountPoint, Space

_OF_THE_KERNEL = ("/proc", "/sys", "/dev")
_KINDS = frozenset({"overlay", "bind", "tmpfs"})


class Place(NamedTuple):
    """Something that is mounted in a container because somebody asked for it: where, and whether it is read-only."""

    destination: str
    readonly: bool


class Plan(NamedTuple):
    """What is needed to open a container's files, gathered on the event loop."""

    config: Any
    works: Sequence[Path]
    """Work directories of the overlays, which are for one mount each."""


class View:
    """The open root directory of a container; ``close`` unmounts what was mounted for it."""

    def __init__(self, descriptors: tuple[int, int], works: Sequence[Path] = (), server: int = 0) -> None:
        """``descriptors``: of the root and of the mount namespace, as ``mountspace.build`` gives them.

        ``server``: the pid of the child that serves the root.
        """
        self.root = Root.of(descriptors[0])
        self._namespace = descriptors[1]
        self._works = works
        self._server = server

    def close(self) -> None:
        """Give it up; nobody may use its root any more."""
        os.close(self.root.descriptor)
        os.close(self._namespace)
        if self._server:
            _end(self._server)
        for work in self._works:
            shutil.rmtree(work, ignore_errors=True)


def plan(engine: Engine, container: Container, *, bare: bool) -> Plan:
    """What ``open_stopped`` needs: config.json with no more mounts than are wanted, and work directories of its own.

    ``bare``: the root filesystem alone.

    Raises:
        InvalidParameter: the container could not be started either.
    """
    config = bundle.generate(engine, container)
    works: list[Path] = []
    mounts: list[Any] = []
    for mount in config["mounts"]:
        if mount["type"] == "overlay":
            work = roots.layer(engine, container, mount["destination"]) / f"files-{os.urandom(4).hex()}"
            options = [one for one in mount["options"] if not one.startswith("workdir=")]
            mounts.append({**mount, "options": [*options, f"workdir={work}"]})
            works.append(work)
        elif mount["type"] == fuse.KIND or (not bare and _is_wanted(mount, container)):
            mounts.append(mount)
    return Plan({**config, "mounts": mounts}, works)


def _is_own(mount: Any, container: Container) -> bool:
    """Whether it is one of the engine's files, /etc/hosts and the like."""
    return mount["type"] == "bind" and Path(mount["source"]).parent in {container.directory, container.network_files}


def _is_wanted(mount: Any, container: Container) -> bool:
    """Not what is the kernel's; and of the engine's own files only those that a start has made."""
    if mount["destination"] in {"/dev", "/dev/shm"} or mount["type"] not in _KINDS:  # noqa: S108  the container's own
        return False
    return not _is_own(mount, container) or Path(mount["source"]).exists()


def places(container: Container) -> list[Place]:
    """The binds and volumes of a container, the innermost first; in Docker ``HostConfig.Tmpfs`` is not among them."""
    found = [Place(point.destination, not point.writable) for point in container.points]
    return sorted(found, key=lambda one: -len(one.destination))


def open_running(pid: int, parts: Sequence[str], kept: frozenset[str], *, bare: bool) -> View:
    """Of a running container. ``bare``: its root filesystem alone; ``kept``: what is no mount of the kernel's own.

    Raises:
        ProcessLookupError, FileNotFoundError: it has ended meanwhile.
        OSError: the kernel refused.
    """

    def strip(space: Space) -> str:
        space.detach(lambda mount: _is_unwanted(mount, parts, kept, bare=bare))
        return "/"

    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return View(mountspace.build(strip, namespace))
    finally:
        os.close(namespace)


def glimpse(container: Container, path: str, *, regular: bool = False) -> tuple[Root, int] | None:
    """The root of a running container and ``path`` (absolute) in it, as O_PATH descriptors, without a namespace.

    None where that might show more than a view does, and where it is not that simple: something of the kernel's own, a
    link, what is not there, a program with another root; with ``regular``, what is no regular file.
    """
    try:
        root = Root(f"/proc/{container.pid}/root")
    except OSError:
        return None
    descriptor = -1
    with suppress(OSError):
        descriptor = root.open(path, os.O_PATH | os.O_NOFOLLOW)
        if _place(root.descriptor) == "/" and _is_plain(descriptor, regular=regular):
            return root, descriptor
    for one in (root.descriptor, descriptor):
        if one >= 0:
            os.close(one)
    return None


def _place(descriptor: int) -> str:
    """Where it is, seen from the root of its own mount namespace."""
    return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  no path of ours


def _is_plain(descriptor: int, *, regular: bool) -> bool:
    mode = os.fstat(descriptor).st_mode
    wanted = stat.S_ISREG(mode) if regular else not stat.S_ISLNK(mode)
    return wanted and not any(paths.is_below(_place(descriptor), kernels) for kernels in _OF_THE_KERNEL)


def _is_unwanted(mount: MountPoint, parts: Sequence[str], kept: frozenset[str], *, bare: bool) -> bool:
    if mount.path == "/" or (mount.path in parts and mount.kind == "overlay"):
        return False
    return bare or (mount.path in _OF_THE_KERNEL and mount.path not in kept)


def open_stopped(chosen: Plan, joined: int | None = None) -> View:
    """Of a container that does not run and is not started meanwhile, and whose layers are there.

    ``joined``: descriptor of the namespace that binds are looked up in, where it is not the machine's.

    Raises:
        OSError: the kernel refused, or the source of a bind is not there.
    """
    mounts = chosen.config["mounts"]
    if mounts and mounts[0]["type"] == fuse.KIND:
        return _open_served(chosen.config, mounts[0], joined)
    try:
        for work in chosen.works:
            work.mkdir(mode=0o755)
        return View(mountspace.build(lambda _: _mount(chosen.config), joined), chosen.works)
    except BaseException:
        for work in chosen.works:
            shutil.rmtree(work, ignore_errors=True)
        raise


def _mount(config: Any) -> str:
    child = Child(b"")
    for name, *arguments in operations.root_steps(config, _KINDS):
        getattr(child, name)(*arguments)
    os.close(child.root)
    return config["root"]["path"]


def _open_served(config: Any, served: Any, joined: int | None) -> View:
    """A root that a program serves (``launcher.fuse``).

    The mount is made in one namespace, the binds in a copy of it when the program is there to be asked for their
    places. The program itself is in neither, so that it ends when we do, however that is: then nobody has the
    namespace any more, and what it serves is unmounted.
    """
    path = config["root"]["path"]
    devices: list[int] = []

    def mount(_: Space) -> str:
        devices.append(kernel_fuse.mount(fuse.KIND, path, syscalls.MS_NODEV))
        return "/"  # of what is served nothing can be opened yet

    server, first = 0, ()
    try:
        first = mountspace.build(mount, joined)
        server = fuse.serve(served["source"], devices[0], served["options"])
        rest = {**config, "mounts": config["mounts"][1:]}
        return View(mountspace.build(lambda _: _mount(rest), first[1]), server=server)
    except BaseException:
        if server:
            _end(server)
        raise
    finally:
        for descriptor in (*devices, *first):
            os.close(descriptor)


def _end(server: int) -> None:
    """What was written has reached the writable layer before write(2) returned (``launcher.fuse``)."""
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)
