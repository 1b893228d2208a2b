"""Volumes and binds of containers: made with a container, filled, made ready for each start, let go at its end."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from container_runtime.engine.files.transfer import completed
from container_runtime.engine.request import mountpoints
from container_runtime.engine.storage import roots
from container_runtime.errors import EngineError, InvalidParameter, NotFound
from container_runtime.images import copies
from container_runtime.images.host_parts import mount_points
from container_runtime.kernel import syscalls, userns
from container_runtime.kernel.openat2 import Root
from container_runtime.state.rundir import remove_tree
from container_runtime.volumes import mounter
from container_runtime.volumes import options as local

if TYPE_CHECKING:
    from collections.abc import Mapping

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.engine.request.mountpoints import MountPoint
    from container_runtime.volumes.model import Volume

_MOST_OF_HOST = 256 << 20  # bytes of the machine's own files that a volume is filled with
_NOBODY = 65534  # /proc/sys/kernel/overflowuid: as whose the machine's root's files show in a user namespace
_BIND_WORDS = frozenset({"ro", "nosuid", "nodev", "noexec", "noatime"})  # of a volume that is a bind


def declared(container: Container) -> list[str]:
    """The paths of ``Volumes`` of the image and of the request."""
    return [*{**(container.image.config.get("Volumes") or {}), **(container.body.get("Volumes") or {})}]


def points_of(engine: Engine, container: Container) -> list[MountPoint]:
    """What a container mounts; its volumes are not made yet. Errors as ``mountpoints.collect``."""

    def others(name: str) -> list[MountPoint]:
        try:
            return engine.find(name).points
        except NotFound as error:
            raise InvalidParameter(str(error)) from None

    found = mountpoints.collect(container.host, declared(container), others)
    for point in found:
        if point.kind == "bind" and not point.create and not os.path.exists(point.source):  # noqa: PTH110
            raise _no_source(point)
    return found


def make(
    engine: Engine,
    name: str,
    *,
    driver: str = "",
    options: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Volume:
    """The volume with this name, made where there is none. Errors as ``VolumeStore.create``."""
    volume, new = engine.volumes.create(name, driver=driver, options=options, labels=labels)
    if new:
        engine.events.publish("volume", "create", volume.name, {"driver": volume.driver})
    return volume


def remove(engine: Engine, volume: Volume) -> None:
    """Remove a volume; its files are deleted behind. Errors as ``VolumeStore.remove``."""
    trash = engine.volumes.remove(volume)
    engine.events.publish("volume", "destroy", volume.name, {"driver": volume.driver})
    engine.behind(asyncio.to_thread(remove_tree, trash))


async def attach(engine: Engine, container: Container) -> None:
    """Make the volumes of a container that is being made, and fill those that are empty.

    Raises:
        NotFound, InvalidParameter: see ``VolumeStore.create``; or the image has a file where a volume is to be.
        EngineError: one could not be filled. No anonymous volume is left.
    """
    try:
        for point in container.points:
            if point.kind == "volume":
                await _attach(engine, container, point)
    except BaseException:
        discard(engine, container, volumes=True)
        raise


async def _attach(engine: Engine, container: Container, point: MountPoint) -> None:
    volume = make(engine, point.name, driver=point.driver, options=point.options, labels=point.labels)
    point.name, point.source = volume.name, str(volume.path)
    volume.users.add(container.id)
    if volume.options:
        source = local.source_of(volume.options)
        if not source.is_bind:
            return  # it is mounted when it is used; what it is filled with then, others have in it
        point.place = source.device
        point.recursive = bool(source.flags & syscalls.MS_REC) or userns.active()  # there is no other way there
        point.words = tuple(word for word in volume.options.get("o", "").split(",") if word in _BIND_WORDS)
    if point.copy and not point.subpath:
        async with volume.lock:
            await completed(lambda: _fill(engine, container, point))


def _fill(engine: Engine, container: Container, point: MountPoint) -> None:
    target = Path(point.place or point.source)
    of_host = engine.images.is_host(container.image)
    foreign = of_host and userns.active()
    try:
        if not target.is_dir() or any(target.iterdir()):
            return
        copies.fill(
            roots.lower(engine, container),
            point.destination,
            target,
            most=_MOST_OF_HOST if of_host else 0,
            owner=(lambda number: 0 if number == _NOBODY else number) if foreign else int,
        )
    except NotADirectoryError:
        raise InvalidParameter(
            f"cannot mount volume over existing file, file exists {point.destination} in {container.body['Image']}"
        ) from None
    except OSError as error:
        if error.errno == errno.EFBIG and of_host:
            raise InvalidParameter(
                f"volume {point.name} would be filled with more than {_MOST_OF_HOST >> 20} MiB of the machine's own "
                f"{point.destination}: leave it empty with nocopy ({point.name}:{point.destination}:nocopy)"
            ) from None
        raise EngineError(
            f"failed to copy {point.destination} of {container.body['Image']} into volume {point.name}: "
            f"{error.strerror}: {error.filename or target}"
        ) from None


def discard(engine: Engine, container: Container, *, volumes: bool) -> None:
    """A container goes: its volumes are free; with ``volumes``, anonymous ones go unless others have them too."""
    for point in container.points:
        if point.kind != "volume" or not point.source:
            continue
        volume = next((one for one in engine.volumes.list() if one.name == point.name), None)
        if volume is not None and container.id in volume.users:
            volume.users.discard(container.id)
            if volumes and point.anonymous and not volume.users:
                remove(engine, volume)


async def prepare(engine: Engine, container: Container) -> None:
    """Have everything there that is mounted, for a start.

    Raises:
        InvalidParameter: the source of a bind is not there.
        NotFound: the path in a volume is not there.
        EngineError: it could not be made, or mounted.
    """
    for point in container.points:
        if point.kind == "bind":
            await asyncio.to_thread(_find_source, point)
        elif point.kind == "volume":
            await _mount(engine, container, point)


def _mounts_below(path: str) -> bool:
    return any(one.startswith(path.rstrip("/") + "/") for one in mount_points())


def _no_source(point: MountPoint) -> InvalidParameter:
    return InvalidParameter(f'invalid mount config for type "bind": bind source path does not exist: {point.source}')


def _find_source(point: MountPoint) -> None:
    if os.path.exists(point.source):  # noqa: PTH110  False where it may not be looked at
        if not point.recursive and userns.active() and _mounts_below(point.source):
            raise InvalidParameter(
                f"an ordinary user cannot leave out what is mounted below {point.source} (mount_namespaces(7): such "
                "mounts are locked): bind it without NonRecursive"
            )
        return
    if not point.create:
        raise _no_source(point)
    try:
        Path(point.source).mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"error while creating mount source path '{point.source}': mkdir {error.filename}: {error.strerror}"
        ) from None


async def _mount(engine: Engine, container: Container, point: MountPoint) -> None:
    volume = engine.volumes.get(point.name)
    async with volume.lock:
        mounted = is_mounted(volume)
        if mounted and not volume.mounted:
            await engine.launcher.ready()
            await mounter.mount(volume, engine.launcher.pidfd)
        volume.mounted.add(container.id)
    if not mounted:
        await asyncio.to_thread(_check_place, point)
    attributes = {
        "driver": volume.driver,
        "container": container.id,
        "destination": point.destination,
        "read/write": "true" if point.writable else "false",
        "propagation": "",
    }
    engine.events.publish("volume", "mount", volume.name, attributes)


def _check_place(point: MountPoint) -> None:
    """For the message; what is mounted is looked up again by the container's own child (``child.mount_below``)."""
    if point.place and not Path(point.place).is_dir():
        raise EngineError(
            f"error while mounting volume '{point.source}': failed to mount local volume: mount "
            f"{point.place}:{point.source}, flags: 0x1000: no such file or directory"
        )
    if not point.subpath:
        return
    try:
        with Root(point.place or point.source) as root:
            flags = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_MAGICLINKS
            os.close(syscalls.openat2(root.descriptor, point.subpath, os.O_PATH, 0, flags))
    except OSError as error:
        path = f"{point.source}/{point.subpath}"
        if error.errno == errno.EXDEV:
            raise InvalidParameter(
                f"path concatenation escapes the base directory, base: {point.source}, subpath: {point.subpath}"
            ) from None
        raise NotFound(f"cannot access path {path}: lstat {path}: {(error.strerror or '').lower()}") from None


def is_mounted(volume: Volume) -> bool:
    """Whether containers see what is mounted on its directory when it is used, and not the directory."""
    return bool(volume.options) and not local.source_of(volume.options or {}).is_bind


def uses_mounted(engine: Engine, container: Container) -> bool:
    """Whether one of the volumes of a container is such."""
    return any(point.kind == "volume" and is_mounted(engine.volumes.get(point.name)) for point in container.points)


def release(engine: Engine, container: Container) -> None:
    """A container has ended, or was not started."""
    for volume in engine.volumes.list():
        if container.id in volume.mounted:
            volume.mounted.discard(container.id)
            attributes = {"driver": volume.driver, "container": container.id}
            engine.events.publish("volume", "unmount", volume.name, attributes)
            if is_mounted(volume) and not engine.ending:
                engine.behind(_unmount(engine, volume))


async def _unmount(engine: Engine, volume: Volume) -> None:
    async with volume.lock:
        if not volume.mounted and not engine.ending:
            await mounter.unmount(volume, engine.launcher.pidfd)
