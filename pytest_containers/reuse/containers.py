"""A container of ``reuse``: the one of an earlier run where it was made of the same, else a new one in its place.

Below ``kept/`` there is for each fixture ``KEY.lock``, and for each definition that it had ``KEY-DEFINITION.id``, the
container, written when it was ready, and ``KEY-DEFINITION.used``, which processes that use it hold locked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_containers.client.errors import NotFoundError
from pytest_containers.embedded import EmbeddedEngine, make_private
from pytest_containers.engine import REUSE_LABEL
from pytest_containers.errors import ContainerError, translated
from pytest_containers.fingerprint import fingerprint
from pytest_containers.handle import Container
from pytest_containers.images import obtain
from pytest_containers.reuse.kept import KeptEngine, kept_engine, kept_home, locked
from pytest_containers.session import engine_of
from pytest_containers.sharing.fields import digest, fields_of
from pytest_containers.sharing.things import key_of

if TYPE_CHECKING:
    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine

MADE_OF_LABEL = "org.pytest-containers.made-of"
_KEPT = pytest.StashKey[KeptEngine]()


def _engine(config: pytest.Config) -> Engine:
    """The engine that outlives the run: Docker does, of the embedded ones the kept one."""
    engine = engine_of(config)
    if not isinstance(engine, EmbeddedEngine):
        return engine
    if _KEPT not in config.stash:
        kept = kept_engine(engine.timeout, engine.log_lines)
        kept.limits_optional = engine.limits_optional
        config.stash[_KEPT] = kept
        config.add_cleanup(kept.close)
    return config.stash[_KEPT]


def container(request: pytest.FixtureRequest, spec: ContainerSpec) -> Container:
    """The container of a fixture that is kept: found, started again, or made; ready.

    Raises:
        ContainerError: it cannot be had, or it needs what the run takes away.
    """
    __tracebackhide__ = True
    name = request.fixturename or ""
    _check(spec, name)
    engine = _engine(request.config)
    key = digest([os.fspath(request.config.rootpath), key_of(request), engine.url])[:32]
    image = obtain(engine, name, spec.image, None, ())
    try:
        fields = fields_of(spec, name, publish=not engine.own_addresses)
    except OSError as error:
        raise ContainerError(f"container {name}: {error.filename}: {error.strerror}") from None
    # What hooks and seeds do to a new container is part of what it is.
    does = fingerprint(spec.snapshot, spec.seed, spec.after_start, spec.after_ready)
    made_of = digest([fields, image.id, does])[:32]
    spec = replace(spec, labels={**spec.labels, REUSE_LABEL: key, MADE_OF_LABEL: made_of})
    home = kept_home()
    make_private(home.parent)
    make_private(home)
    with locked(home / f"{key}.lock"):
        _use(request.config, home / f"{key}-{made_of}.used")
        live = _found(request, engine, spec, key, made_of)
        if live is None:
            live = engine.run_container(spec, node=request.node, name=name)
            (home / f"{key}-{made_of}.id").write_text(live.id)
    live.reused = True
    run = engine_of(request.config)
    if run is not engine:
        run.live.append((live, request.node, name))  # where reports look
    return live


def _check(spec: ContainerSpec, name: str) -> None:
    __tracebackhide__ = True
    parts = [("network", spec.network), *(("volume", volume) for volume in spec.volumes.values())]
    for kind, part in parts:
        if part is not None and not isinstance(part, str):
            raise ContainerError(
                f"container {name} is to be kept (reuse=True), and {kind} {part.name} goes with the run: leave it out, "
                "or name one that the engine keeps"
            )


def _use(config: pytest.Config, path: os.PathLike[str]) -> None:
    """As long as this process lives, nobody removes the container."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    config.add_cleanup(lambda: os.close(descriptor))


def _found(
    request: pytest.FixtureRequest, engine: Engine, spec: ContainerSpec, key: str, made_of: str
) -> Container | None:
    """The container of an earlier run, ready; what else was kept for the fixture is removed."""
    __tracebackhide__ = True
    name = request.fixturename or ""
    record = kept_home() / f"{key}-{made_of}.id"
    wanted = record.read_text() if record.exists() else ""
    with translated(f"cannot look for container {name}"):
        kept = engine.client.containers.list(all=True, filters={"label": [f"{REUSE_LABEL}={key}"]})
    found: Container | None = None
    for one in kept:
        container_id, theirs = one.get("Id", ""), (one.get("Labels") or {}).get(MADE_OF_LABEL, "")
        if container_id != wanted:
            _remove(engine, f"{key}-{theirs}", container_id, mine=theirs == made_of)
            continue
        network = None if isinstance(spec.network, str) else spec.network
        found = (spec.cls or Container)(engine, container_id, spec, network, name)
        found.attached()
        engine.live.append((found, request.node, name))
        found.await_ready() if one.get("State") == "running" else found.start()
    return found


def _remove(engine: Engine, files: str, container_id: str, *, mine: bool) -> None:
    """Remove a container that is kept no longer, unless another run uses it; ``mine``: it never became ready."""
    __tracebackhide__ = True
    used, record = (kept_home() / f"{files}.{kind}" for kind in ("used", "id"))
    descriptor = os.open(used, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not mine:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with translated("cannot remove a container that was kept"), contextlib.suppress(NotFoundError):
            engine.client.containers.remove(container_id, force=True, volumes=True)
        if not mine:
            record.unlink(missing_ok=True)
            used.unlink(missing_ok=True)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)
