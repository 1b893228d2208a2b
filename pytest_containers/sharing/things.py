"""Containers, networks and volumes that all workers of a run have in common."""

from __future__ import annotations

import contextlib
import shutil
import warnings
from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_containers.client.errors import NotFoundError
from pytest_containers.engine import RUN_LABEL
from pytest_containers.errors import ContainerError, translated
from pytest_containers.handle import Container
from pytest_containers.networks import Network
from pytest_containers.session import engine_of, place_of, setting
from pytest_containers.sharing.board import Board, Record, temporary
from pytest_containers.sharing.fields import content_of, digest, fields_of
from pytest_containers.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_containers.client import Client
    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine

SHARED_LABEL = "org.pytest-containers.shared"
_BOARD = pytest.StashKey[Board]()
_HANDLES = pytest.StashKey[dict[str, Container]]()
_PLAIN = (str, bytes, int, float, bool, type(None), tuple, list, dict)


def is_shared(request: pytest.FixtureRequest, wanted: bool | None) -> bool:
    """Whether a fixture's value is to be one for all workers; ``wanted`` is its definition's ``shared``."""
    if request.scope != "session":
        if wanted:
            pytest.fail(
                f"{request.fixturename}: shared=True needs the scope session, not {request.scope}", pytrace=False
            )
        return False
    if not hasattr(request.config, "workerinput"):
        return False
    return setting(request.config, "shared") == "true" if wanted is None else wanted


def board_of(config: pytest.Config) -> Board:
    """The run's board: in the run directory of the embedded engine, which goes with it, else with temporary files."""
    if _BOARD not in config.stash:
        config.stash[_BOARD] = Board(_directory(config))
    return config.stash[_BOARD]


def _directory(config: pytest.Config) -> Path:
    run = place_of(config).directory
    return run / "shared" if run.exists() else temporary(run)


def key_of(request: pytest.FixtureRequest) -> str:
    """The fixture, by where it is defined and its parameter; the same in every worker."""
    definition = getattr(request, "_fixturedef", None)
    key = f"{getattr(definition, 'baseid', '')}::{request.fixturename}".removeprefix("::")
    if not hasattr(request, "param"):
        return key
    param: object = request.param
    index = getattr(request, "param_index", 0)
    # An object's repr may tell its address, which no other process has.
    plain = isinstance(param, _PLAIN) or is_dataclass(param)
    return f"{key}[{param!r}]" if plain else f"{key}[{type(param).__name__} {index}]"


def _who(request: pytest.FixtureRequest) -> str:
    function = getattr(getattr(request, "_fixturedef", None), "func", None)
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    place = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
    return f"worker {worker_of(request.config)}{place}"


def worker_of(config: pytest.Config) -> str:
    """The worker's name, such as ``gw0``."""
    return str(getattr(config, "workerinput", {}).get("workerid", "main"))


def container(
    request: pytest.FixtureRequest, spec: ContainerSpec, run: Callable[[ContainerSpec], Container]
) -> Container:
    """The run's container of a fixture: started by ``run`` where no worker has, else a handle of the same.

    Raises:
        ContainerError: it cannot be had, or is defined differently elsewhere.
    """
    __tracebackhide__ = True
    config, key = request.config, key_of(request)
    engine = engine_of(config)
    client = engine.client
    _check_parts(spec, request.fixturename or "")
    spec = replace(spec, labels={**spec.labels, SHARED_LABEL: digest(key)[:32]})
    made: list[Container] = []

    def make(again: bool) -> Record:
        __tracebackhide__ = True
        if again:  # a worker was lost meanwhile
            with translated(f"cannot remove what a lost worker left of {request.fixturename}"):
                _remove_containers(client, f"{SHARED_LABEL}={spec.labels[SHARED_LABEL]}", f"{RUN_LABEL}={engine.run}")
        made.append(run(spec))
        return {"id": made[0].id, "name": request.fixturename}

    fields = fields_of(spec, request.fixturename or "", publish=not engine.own_addresses)
    record, _ = board_of(config).once("container", key, fields, _who(request), make)
    live = made[0] if made else _attached(request, engine, spec, record["id"])
    config.stash.setdefault(_HANDLES, {})[live.id] = live
    return live


def _attached(request: pytest.FixtureRequest, engine: Engine, spec: ContainerSpec, container_id: str) -> Container:
    network = None if isinstance(spec.network, str) else spec.network
    live = (spec.cls or Container)(engine, container_id, spec, network, request.fixturename or "")
    live.attached()
    engine.live.append((live, request.node, request.fixturename or ""))
    return live


def _check_parts(spec: ContainerSpec, name: str) -> None:
    """What each worker has for itself cannot be part of what all have."""
    __tracebackhide__ = True
    parts = [("network", spec.network), *(("volume", volume) for volume in spec.volumes.values())]
    for kind, part in parts:
        if part is not None and not isinstance(part, str) and not part.shared:
            raise ContainerError(
                f"shared container {name} uses {kind} {part.name}, which each worker has for itself: define it by "
                f"{kind}(shared=True)"
            )


def network(request: pytest.FixtureRequest, spec: object, make: Callable[[], Network]) -> Network:
    """The run's network of a fixture; see ``container``."""
    __tracebackhide__ = True

    def create(_again: bool) -> Record:
        made = make()
        return {"id": made.id, "name": made.name}

    fields = {"internal": str(getattr(spec, "internal", False))}
    client = engine_of(request.config).client
    record, _ = board_of(request.config).once("network", key_of(request), fields, _who(request), create)
    found = Network(client, record["id"], record["name"])
    found.shared = True
    return found


def volume(request: pytest.FixtureRequest, spec: object, make: Callable[[], Volume]) -> Volume:
    """The run's volume of a fixture; see ``container``. Its files are put there once."""
    __tracebackhide__ = True
    made: list[Volume] = []

    def create(_again: bool) -> Record:
        made.append(make())
        return {"id": made[0].name, "name": made[0].name}

    client, board = engine_of(request.config).client, board_of(request.config)
    files: Mapping[str, Any] = getattr(spec, "files", {})
    fields = {"files": digest({path: content_of(content) for path, content in files.items()})}
    record, _ = board.once("volume", key_of(request), fields, _who(request), create)
    found = Volume(client, record["name"], files)
    found.shared = True
    found.first = lambda: board.first(f"fill-{found.name}")
    return found


# -- the end


def finish(config: pytest.Config) -> None:
    """A worker has ended; the last one removes what was shared, the last made first."""
    board = config.stash.get(_BOARD, None) or Board(_directory(config))
    if not board.directory.exists():
        return
    with board.locked("end"):
        if board.finished(worker_of(config)) < int(vars(config)["workerinput"]["workercount"]):
            return
        engine, handles = engine_of(config), config.stash.get(_HANDLES, {})
        with engine.removals.together() as errors:
            for record in board.records():
                try:
                    _remove(engine, record, handles.get(record["id"]))
                except Exception as error:  # noqa: BLE001  hooks of users; the others have to go all the same
                    warnings.warn(f"shared {record['kind']} {record['key']}: {error}", stacklevel=1)
        for error in errors:
            warnings.warn(f"shared: {error}", stacklevel=1)
        board.forget()


def _remove(engine: Engine, record: Record, handle: Container | None) -> None:
    client = engine.client
    if record["kind"] == "network":
        engine.remove(Network(client, record["id"], record["name"]))
    elif record["kind"] == "volume":
        engine.remove(Volume(client, record["name"], {}))
    else:
        with contextlib.suppress(NotFoundError):
            engine.remove(handle or _unused(engine, record))


def _unused(engine: Engine, record: Record) -> Container:
    """A handle of a container that this worker had no use for; NotFoundError where it has gone."""
    from pytest_containers.definition import ContainerSpec
    from pytest_containers.handle import Container

    image = engine.client.containers.inspect(record["id"]).get("Config", {}).get("Image", "")
    live = Container(engine, record["id"], ContainerSpec(image), None, record["name"])
    live.attached()
    return live


def end(config: pytest.Config) -> None:
    """The end of a run whose engine outlives it: its files. What lost workers had made there goes with its watch."""
    shutil.rmtree(_directory(config), ignore_errors=True)


def _remove_containers(client: Client, *labels: str) -> None:
    for one in client.containers.list(all=True, filters={"label": list(labels)}):
        with contextlib.suppress(NotFoundError):
            client.containers.remove(one.get("Id", ""), force=True, volumes=True)
