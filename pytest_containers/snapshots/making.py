"""A container from its snapshot, which is made where there is none: by one process of the run, for all."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_containers.errors import ContainerError, NoSnapshot, translated
from pytest_containers.fingerprint import fingerprint
from pytest_containers.session import snapshot_locks
from pytest_containers.snapshots import commits, seeds
from pytest_containers.wait.limit import Limited
from pytest_containers.wait.log import Log

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container
    from pytest_containers.wait.base import Wait

STOP_LIMIT = 60
"""Seconds that a container gets to end by itself before it is frozen: a database has to write everything."""
_KILLED = 137
# What does not change the files that a container leads to, or only how it is looked at.
_WITHOUT = frozenset(
    "name network aliases labels limits wait timeout ports start_attempts stop_timeout "
    "after_start after_ready before_stop cls log_to".split()
)


def key_of(engine: Engine, spec: ContainerSpec) -> str:
    """What a snapshot is known by: everything of the definition that leads to it.

    Raises:
        ContainerError: a file that it names cannot be read.
    """
    parts: dict[str, object] = {each.name: getattr(spec, each.name) for each in fields(spec)}
    for name in _WITHOUT:
        parts.pop(name, None)
    parts["seed"] = [_content(one) for one in seeds.steps(spec.seed)]
    parts["copies"] = {target: Path(source) for source, target in spec.copies.items()}
    parts["volumes"] = sorted(spec.volumes)
    if engine.client and not engine.snapshots:  # what it has, it says with its first answer
        parts["id"] = commits.image_id(engine, spec.image)
    try:
        return fingerprint(parts)
    except OSError as error:
        raise ContainerError(f"snapshot of {spec.image}: {error.filename}: {error.strerror}") from None


def _content(seed: object) -> object:
    return (
        replace(seed, text=Path(seed.text)) if isinstance(seed, seeds.SQL) and not isinstance(seed.text, str) else seed
    )


def resumed(wait: Wait | None) -> Wait | None:
    """What makes a container ready that starts from a snapshot: its first start's messages come once, not again."""
    if isinstance(wait, Log):
        return replace(wait, times=1)
    if isinstance(wait, Limited):
        return replace(wait, wait=cast("Wait", resumed(wait.wait)))
    parts = getattr(wait, "parts", None)
    return replace(cast("Any", wait), parts=tuple(resumed(part) for part in parts)) if parts else wait


def start(engine: Engine, spec: ContainerSpec, *, node: object, name: str) -> Container:
    """Start a container with ``snapshot=True`` from its snapshot, and return when it is ready."""
    __tracebackhide__ = True
    key = key_of(engine, spec)
    for _ in range(2):
        with suppress(NoSnapshot):
            return _started(engine, spec, key, node, name)
        _make_once(engine, spec, key, node, name)
    raise ContainerError(f"the snapshot of {name or spec.image} was removed as soon as it was made")


def existing(engine: Engine, spec: ContainerSpec) -> tuple[ContainerSpec, str | None] | None:
    """What ``Engine.create`` is to be asked for; None where there is certainly no snapshot."""
    try:
        return _resumed(engine, spec, key_of(engine, spec))
    except NoSnapshot:
        return None


def _resumed(engine: Engine, spec: ContainerSpec, key: str) -> tuple[ContainerSpec, str | None]:
    wanted = replace(spec, snapshot=False, seed=(), wait=resumed(spec.wait), files={}, copies={})
    if engine.snapshots:
        return wanted, key
    commits.check(engine, key)
    return commits.based_on(wanted, key), None


def _started(engine: Engine, spec: ContainerSpec, key: str, node: object, name: str) -> Container:
    __tracebackhide__ = True
    wanted, snapshot = _resumed(engine, spec, key)
    return engine.run_container(wanted, node=node, name=name, snapshot=snapshot)


def _make_once(engine: Engine, spec: ContainerSpec, key: str, node: object, name: str) -> None:
    __tracebackhide__ = True
    with _alone(engine, key) as directory:
        made, failed = directory / f"{key}.made", directory / f"{key}.failed"
        if failed.exists():
            raise ContainerError(failed.read_text())
        if made.exists():
            return
        try:
            _make(engine, spec, key, node, name)
        except ContainerError as error:
            failed.write_text(f"{error}")
            raise
        except Exception as error:  # of the user's function, whose traceback is shown here; the others are told
            failed.write_text(f"no snapshot of {name or spec.image}: seed: {type(error).__name__}: {error}")
            raise
        made.touch()


@contextmanager
def _alone(engine: Engine, key: str) -> Generator[Path]:
    """The run's directory for this, and nobody else of the run in it for this key."""
    from pytest_containers.embedded import runtime_home

    run = runtime_home() / engine.run
    directory = run / "snapshots" if run.is_dir() else snapshot_locks(engine.run)  # that of an engine of the run's own
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.geteuid():
        raise ContainerError(f"{directory} is not a directory of user {os.geteuid()}: remove it")
    descriptor = os.open(directory / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(descriptor)


def _make(engine: Engine, spec: ContainerSpec, key: str, node: object, name: str) -> None:
    """Start it as the definition has it, wait, seed, stop, freeze."""
    __tracebackhide__ = True
    hooks = dict.fromkeys(("after_start", "after_ready", "before_stop"))  # each container gets them, once
    bare = replace(spec, snapshot=False, seed=(), name=None, stop_timeout=None, **cast("dict[str, Any]", hooks))
    what = name or spec.image
    try:
        container = engine.run_container(bare, node=node, name=name)
        try:
            seeds.apply(engine, container, spec.seed)
            _stop(container)
            with translated(f"cannot freeze container {what}"):
                if engine.snapshots:
                    engine.client.containers.freeze(container.id, key)
                else:
                    commits.make(engine, container, key)
        finally:
            engine.remove(container)
    except ContainerError as error:
        raise ContainerError(f"no snapshot of {what}: {error}") from None


def _stop(container: Container) -> None:
    __tracebackhide__ = True
    if container.status != "running":
        raise ContainerError(f"it ended before it was frozen: {container.ending()}")
    container.stop(STOP_LIMIT)
    if container.exit_code == _KILLED:
        raise ContainerError(
            f"it had not ended {STOP_LIMIT} s after its stop signal and was killed: its files may be half written; a "
            "database may wait for connections that the seed has left open, or need another stop_signal"
        )
