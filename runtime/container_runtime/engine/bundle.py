"""What a container is started from: config.json, the directories of its writable layer, its seccomp filter."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING, Any

from container_runtime.engine import accounts, sandboxes, specgen
from container_runtime.errors import InvalidParameter
from container_runtime.kernel import userns
from container_runtime.oci.seccomp import compile_profile, default_profile
from container_runtime.state.paths import data_home

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.oci.spec import Mount

_seccomp_files: dict[frozenset[str], str] = {}


def _escape(path: str) -> str:
    """A path in an overlay option: a colon separates layers, a comma options (overlayfs.rst)."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _root_mounts(engine: Engine, container: Container) -> list[Mount]:
    """The root filesystem: one overlay as a rule, several for the host image of an ordinary user."""
    mounts: list[Mount] = []
    for destination, directories in engine.images.parts(container.image):
        directory = layer(engine, container, destination)
        lower = ":".join(_escape(path) for path in directories)
        options = [f"lowerdir={lower}", f"upperdir={directory}/upper", f"workdir={directory}/work", "volatile"]
        if userns.active():
            options.append("userxattr")
        mounts.append({"destination": destination, "type": "overlay", "source": "overlay", "options": options})
    return mounts


def layer(engine: Engine, container: Container, destination: str) -> Path:
    """The directory of the writable layer of a part of the root; ``upper`` and ``work`` of "/" lie at the top."""
    top = engine.run.layers / container.id
    return top if destination == "/" else top / "parts" / destination.strip("/").replace("/", "%")


def generate(engine: Engine, container: Container) -> Any:
    """config.json."""
    passwd, group = accounts.of_image(engine.images, container.image)
    facts = specgen.Facts(
        identity=container.id,
        hostname=container.hostname,
        root_path=str(engine.root_path),
        cgroups_path=f"pytest-containers-{engine.run.path.name}/{container.id}",
        root_mounts=_root_mounts(engine, container),
        files=sandboxes.files(container),
        network=sandboxes.namespace(engine, container),
        passwd=passwd,
        group=group,
        device=_device,
    )
    return specgen.generate(container.image.config, container.body, facts)


def _device(path: str) -> tuple[str, int, int]:
    import stat

    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        raise InvalidParameter(f"error gathering device information for {path}: {error.strerror}") from None
    if not stat.S_ISCHR(status.st_mode) and not stat.S_ISBLK(status.st_mode):
        raise InvalidParameter(f"error gathering device information for {path}: not a device node")
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b"
    return kind, os.major(status.st_rdev), os.minor(status.st_rdev)


async def seccomp_file(container: Container, capabilities: Iterable[str]) -> str:
    """The compiled default filter for a container, or nothing where it asked for none."""
    _, wanted, _ = specgen.security(container.host.get("SecurityOpt"))
    if not wanted or container.host.get("Privileged"):
        return ""
    key = frozenset(capabilities)
    if key not in _seccomp_files:
        profile = default_profile(key)
        try:
            _seccomp_files[key] = await asyncio.to_thread(compile_profile, profile, data_home() / "seccomp")
        except OSError:  # a home that is full or may not be written: compiled for this run alone
            _seccomp_files[key] = await asyncio.to_thread(compile_profile, profile, container.directory.parent)
    return _seccomp_files[key]


async def prepare_layers(engine: Engine, container: Container) -> None:
    """Make the directories of the writable layer, or make them ready for one more start."""
    for destination, _ in engine.images.parts(container.image):
        directory = layer(engine, container, destination)
        if container.ended.done():  # overlayfs marks the work directory of a volatile mount, and takes it only once
            await asyncio.to_thread(shutil.rmtree, directory / "work", ignore_errors=True)
        for path in (directory / "upper", directory / "work"):
            path.mkdir(mode=0o755, parents=True, exist_ok=True)


def check_sources(config: Any) -> None:
    """Refuse a bind of what is not there: made up, it would be an empty directory that hides a mistake."""
    for mount in config["mounts"]:
        options = mount.get("options") or ()
        if ("bind" in options or "rbind" in options) and not os.path.exists(mount["source"]):  # noqa: PTH110
            raise InvalidParameter(
                f'invalid mount config for type "bind": bind source path does not exist: {mount["source"]}'
            )
