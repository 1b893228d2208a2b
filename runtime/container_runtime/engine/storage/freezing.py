"""Writable layers that are frozen: snapshots, from which other containers start, and checkpoints of one container.

As a rule nothing is copied. A layer is moved to where it stays as it is, and the next writable layer is laid above it,
as image builders stack layers (overlayfs.rst, "Sharing and copying layers"). The content of anonymous volumes is moved
into the layer, at the volume's place; from then on that belongs to the root filesystem and there is no volume any more.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from container_runtime.engine import containers
from container_runtime.engine.files.transfer import in_thread, uncancelled
from container_runtime.engine.life import lifecycle
from container_runtime.engine.request import bundle
from container_runtime.engine.storage import mounting, roots
from container_runtime.engine.storage.snapshots import home, name_of, place
from container_runtime.errors import Conflict, EngineError, InvalidParameter, NotFound
from container_runtime.images.copies import move_layer
from container_runtime.images.files import opaque_attribute
from container_runtime.images.merged import MergedView
from container_runtime.state.rundir import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.engine.request.mountpoints import MountPoint

T = TypeVar("T")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}")
_MOST = 16
"""Frozen layers of one container above each other: the options of a mount are one page (mount(2))."""


async def snapshot(engine: Engine, container: Container, key: str) -> None:
    """Freeze a container that does not run, under a key; the container is removed.

    Raises:
        InvalidParameter: the key is none.
        Conflict: it runs, or another container has one of its anonymous volumes.
        EngineError: its files could not be moved.
    """
    name = name_of(engine, key, container.image)
    if container.bases:
        raise Conflict(f"container {container.name} starts from a snapshot or has checkpoints: it cannot be frozen")
    where = home(engine, container.image)

    def move() -> None:
        made = _new_directory(engine, container, "snapshot")
        layers: dict[str, str] = {}
        for number, (destination, _) in enumerate(roots.parts(engine, container)):
            layers[destination] = str(number)
            move_layer(roots.layer(engine, container, destination) / "upper", made / str(number))
        engine.snapshots.add(where, name, made, layers, [point.destination for point in volumes])

    async with container.lock:
        volumes = await _absorb(engine, container)
        await _thread(container, move)
    await containers.remove(engine, container, force=True, volumes=True)
    engine.behind(in_thread_of(lambda: engine.snapshots.settle(where, name)))


async def in_thread_of(work: Callable[[], None]) -> None:
    """The same as a coroutine."""
    await in_thread(work)


async def checkpoint(engine: Engine, container: Container, name: str) -> None:
    """Keep the files of a container that does not run, to return to them; errors as ``snapshot``."""
    if _NAME.fullmatch(name) is None:
        raise InvalidParameter(f"invalid name of a checkpoint {name!r}: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    if any(len(layers) >= _MOST for layers in container.bases.values()):
        raise Conflict(f"container {container.name} has {_MOST} checkpoints above each other: restore an earlier one")

    def move() -> dict[str, tuple[str, ...]]:
        frozen = _new_directory(engine, container, "checkpoint")
        bases: dict[str, tuple[str, ...]] = {}
        for number, (destination, _) in enumerate(roots.parts(engine, container)):
            layer = roots.layer(engine, container, destination)
            move_layer(layer / "upper", frozen / str(number))
            remove_tree(layer / "work")
            bases[destination] = (str(frozen / str(number)), *container.bases.get(destination, ()))
        return bases

    async with container.lock:
        await _absorb(engine, container)
        container.bases = await _thread(container, move)
        container.checkpoints[name] = dict(container.bases)


async def restore(engine: Engine, container: Container, name: str) -> None:
    """Return to the files of a checkpoint; what was written since is lost.

    Raises:
        NotFound: there is no such checkpoint.
        Conflict: it runs.
        EngineError: the layer could not be removed.
    """
    bases = container.checkpoints.get(name)
    if bases is None:
        raise NotFound(f"No such checkpoint: {name} of container {container.name}")
    gone = engine.run.layers / container.id / f"gone-{os.urandom(8).hex()}"

    def drop() -> None:
        gone.mkdir(mode=0o700)
        for number, (destination, _) in enumerate(roots.parts(engine, container)):
            layer = roots.layer(engine, container, destination)
            for part in ("upper", "work"):
                with suppress(FileNotFoundError):
                    (layer / part).rename(gone / f"{number}{part}")

    async with container.lock:
        _check(container)
        await _thread(container, drop)
        container.bases = dict(bases)
    engine.behind(in_thread_of(lambda: remove_tree(gone)))


def _new_directory(engine: Engine, container: Container, kind: str) -> Path:
    """An empty directory of the run for frozen layers; it goes with the run, or is moved to a place of its own."""
    below = place(engine, container.image)
    if not below.is_dir():
        engine.run.record("directory", str(below))
    made = below / f"{kind}-{os.urandom(8).hex()}"
    made.mkdir(mode=0o700, parents=True)
    return made


def _check(container: Container) -> None:
    if container.state not in {lifecycle.CREATED, lifecycle.EXITED}:
        raise Conflict(
            f"container {container.name} is {container.visible_state()}: stop it before its files are frozen"
        )


async def _thread(container: Container, work: Callable[[], T]) -> T:
    doing = in_thread(work)
    await uncancelled(doing)
    try:
        return doing.result()
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}" if error.filename else f"{error.strerror}"
        raise EngineError(f"cannot freeze the files of container {container.name}: {reason}") from None


async def _absorb(engine: Engine, container: Container) -> Sequence[MountPoint]:
    """Move the anonymous volumes of a container, whose lock is held, into its layer; returns what they were."""
    _check(container)
    await bundle.prepare_layers(engine, container)
    points = [one for one in container.points if one.kind == "volume" and one.anonymous and one.source]
    for point in points:
        volume = engine.volumes.get(point.name)
        if volume.users - {container.id}:
            raise Conflict(f"volume {volume.name} at {point.destination} is in use by another container, too")
    points = [one for one in points if not engine.volumes.get(one.name).options]
    points.sort(key=lambda one: one.destination.count("/"))  # what is mounted in another one goes into it

    def move() -> None:
        for point in points:
            _into_layer(engine, container, point)

    await _thread(container, move)
    for point in points:
        volume = engine.volumes.get(point.name)
        volume.users.discard(container.id)
        container.points.remove(point)
        mounting.remove(engine, volume)
    return points


def _into_layer(engine: Engine, container: Container, point: MountPoint) -> None:
    parts = {
        place: (roots.layer(engine, container, place) / "upper", below) for place, below in _parts(engine, container)
    }
    place = max((one for one in parts if _is_below(point.destination, one)), key=len)
    upper, below = parts[place]
    view = MergedView((str(upper), *below))
    path = view.resolve(point.destination.removeprefix(place.rstrip("/"))).strip("/")
    ways = path.split("/")
    for count in range(1, len(ways)):
        _make_way(upper, "/".join(ways[:count]), view)
    target = upper / path
    if target.is_symlink() or target.is_file():
        target.unlink()
    remove_tree(target)
    Path(point.source).rename(target)
    os.setxattr(target, opaque_attribute(), b"y")


def _parts(engine: Engine, container: Container) -> list[tuple[str, tuple[str, ...]]]:
    """Without the image, where all of it has been copied into the layer."""
    found = roots.parts(engine, container)
    return [(top, ()) for top, _ in found] if engine.run.strategy == "copies" else found


def _is_below(path: str, top: str) -> bool:
    return top == "/" or path == top or path.startswith(top + "/")


def _make_way(upper: Path, path: str, view: MergedView) -> None:
    """A directory of the layer on the way to a volume, as the image has it."""
    target = upper / path
    if target.is_dir() and not target.is_symlink():
        return
    status = view.lstat(path)
    with suppress(FileNotFoundError):
        target.unlink()
    target.mkdir(mode=0o755)
    if status is not None and stat.S_ISDIR(status.st_mode):
        with suppress(OSError):  # an owner that an ordinary user has no number for
            os.chown(target, status.st_uid, status.st_gid)
        target.chmod(stat.S_IMODE(status.st_mode))
