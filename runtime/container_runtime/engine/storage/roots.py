"""A container's root filesystem: what it is made of and made ready by, a row of TABLE for each of ``state.roots``."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.engine.files.transfer import completed
from container_runtime.errors import EngineError
from container_runtime.images import copies
from container_runtime.images.files import storage_errors
from container_runtime.kernel import userns
from container_runtime.state import roots

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.oci.spec import Mount


class Root(NamedTuple):
    """``root.path`` of config.json, and the mounts that come before all others."""

    path: str
    mounts: list[Mount]


class Strategy(NamedTuple):
    """``describe`` may be called before there is anything; ``prepare`` before each start."""

    describe: Callable[[Engine, Container], Root]
    prepare: Callable[[Engine, Container], Awaitable[None]]


def layer(engine: Engine, container: Container, destination: str = "/") -> Path:
    """The directory of the writable layer of a part of the root; ``upper`` and ``work`` of "/" lie at the top."""
    top = engine.run.layers / container.id
    return top if destination == "/" else top / "parts" / destination.strip("/").replace("/", "%")


def parts(engine: Engine, container: Container) -> list[tuple[str, tuple[str, ...]]]:
    """Where in the container which lower directories are laid, top first: frozen layers, then the image's own."""
    if engine.run.strategy != "overlay":
        return [("/", lower(engine, container))]
    return [(place, (*container.bases.get(place, ()), *below)) for place, below in engine.images.parts(container.image)]


def lower(engine: Engine, container: Container) -> tuple[str, ...]:
    """The same as one stack. A frozen copy of all files is all that there is."""
    frozen = container.bases.get("/", ())
    if frozen and engine.run.strategy == "copies":
        return frozen[:1]
    return (*frozen, *engine.images.lower_directories(container.image))


def directories(engine: Engine, container: Container) -> tuple[str, ...]:
    """The directories that show the container's files without a mount, top first (``images.merged``)."""
    upper = str(layer(engine, container) / "upper")
    if engine.run.strategy == "copies":
        return (upper,)
    return (upper, *lower(engine, container))


def _escape(path: str) -> str:
    """A path in an overlay option: a colon separates layers, a comma options (overlayfs.rst)."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _options(below: Sequence[str], directory: Path) -> list[str]:
    joined = ":".join(_escape(path) for path in below)
    return [f"lowerdir={joined}", f"upperdir={directory}/upper", f"workdir={directory}/work"]


def _overlays(engine: Engine, container: Container) -> Root:
    """One overlay as a rule, several for the host image of an ordinary user."""
    mounts: list[Mount] = []
    for destination, below in parts(engine, container):
        options = [*_options(below, layer(engine, container, destination)), "volatile"]
        if userns.active():
            options.append("userxattr")
        mounts.append({"destination": destination, "type": "overlay", "source": "overlay", "options": options})
    return Root(str(engine.root_path), mounts)


async def _make_overlays(engine: Engine, container: Container) -> None:
    for destination, _ in parts(engine, container):
        await _make_layer(layer(engine, container, destination), marked=destination == "/")


async def _make_layer(directory: Path, *, marked: bool = True) -> None:
    """``marked``: with the empty file by which programs find out that they are in a container."""
    new = marked and not (directory / "upper").exists()
    if (directory / "work" / "work").exists():  # of a volatile mount, which overlayfs marks and takes only once
        await asyncio.to_thread(shutil.rmtree, directory / "work")
    for path in (directory / "upper", directory / "work"):
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    if new:
        (directory / "upper" / MARK).touch(0o755)


def _served(engine: Engine, container: Container) -> Root:
    """One mount that fuse-overlayfs(1) serves, of the host image too; the launcher starts it (``launcher.fuse``)."""
    program = roots.program()
    if program is None:
        raise EngineError("fuse-overlayfs, which served the root filesystems here, is not installed any more")
    options = _options(lower(engine, container), layer(engine, container))
    mount: Mount = {"destination": "/", "type": roots.PROGRAM, "source": program, "options": options}
    return Root(str(engine.root_path), [mount])


async def _make_served(engine: Engine, container: Container) -> None:
    await _make_layer(layer(engine, container))


def _copied(engine: Engine, container: Container) -> Root:
    """A directory with all files of the image."""
    if engine.images.is_host(container.image) and not container.bases:
        raise EngineError(
            "the image host cannot be used here: the kernel refuses overlays, and without them the whole machine would "
            "have to be copied for each container; install fuse-overlayfs (Debian, Ubuntu, Fedora: the package of that "
            "name) where /dev/fuse can be opened, or use an image of a registry"
        )
    return Root(str(layer(engine, container) / "upper"), [])


async def _copy(engine: Engine, container: Container) -> None:
    """At the first start; it is complete or not there."""
    target = layer(engine, container) / "upper"
    if target.is_dir():
        return
    below = lower(engine, container)
    with storage_errors(f"a copy of the image for container {container.name}", target.parent):
        await completed(lambda: copies.copy_merged(below, target))
        (target / MARK).touch(0o755)


MARK = ".dockerenv"

TABLE = {
    "overlay": Strategy(_overlays, _make_overlays),
    roots.PROGRAM: Strategy(_served, _make_served),
    "copies": Strategy(_copied, _copy),
}
