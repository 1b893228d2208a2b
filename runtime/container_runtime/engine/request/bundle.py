"""What a container is started from: config.json, the directories of its writable layer, its seccomp filter."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from container_runtime.engine import sandboxes
from container_runtime.engine.request import accounts, modes, specgen
from container_runtime.engine.storage import roots
from container_runtime.errors import InvalidParameter
from container_runtime.oci.seccomp import compile_profile, default_profile
from container_runtime.state.paths import data_home

if TYPE_CHECKING:
    from collections.abc import Iterable

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine

_seccomp_files: dict[frozenset[str], str] = {}


def generate(engine: Engine, container: Container) -> Any:
    """config.json."""
    passwd, group = accounts.of_image(engine.images, container.image)
    root = roots.TABLE[engine.run.strategy].describe(engine, container)
    facts = specgen.Facts(
        identity=container.id,
        hostname=container.hostname,
        root_path=root.path,
        cgroups_path=cgroups_path(engine, container),
        root_mounts=root.mounts,
        points=container.points,
        files=sandboxes.files(container),
        modes=modes.resolve(container.host, engine.find),
        network=sandboxes.namespace(engine, container),
        passwd=passwd,
        group=group,
        device=_device,
    )
    return specgen.generate(container.image.config, container.body, facts)


def cgroups_path(engine: Engine, container: Container) -> str:
    """Where its group lies below the engine's own: "/parent/id" where a parent was asked for, else "run/id"."""
    parent = str(container.host.get("CgroupParent") or "").strip("/")
    if not parent:
        return f"pytest-containers-{engine.run.path.name}/{container.id}"
    if ".." in parent.split("/") or "\0" in parent:
        raise InvalidParameter(f"invalid value {parent!r} for HostConfig.CgroupParent")
    return f"/{parent}/{container.id}"


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
    await roots.TABLE[engine.run.strategy].prepare(engine, container)
