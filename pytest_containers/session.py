"""What belongs to one pytest run: its settings and its engine."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from pytest_containers.errors import ContainerError, NoEngine, translated
from pytest_containers.networks import Network
from pytest_containers.plugin import INSIDE

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_containers.budget import Budget
    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine
    from pytest_containers.limits import Limits
    from pytest_containers.reports.part import Observer

_ENGINE = pytest.StashKey["Engine | ContainerError"]()  # the engine, or why there is none
OBSERVER: pytest.StashKey[Observer] = pytest.StashKey()
PLACE = pytest.StashKey["Place"]()
KEPT = pytest.StashKey[bool]()
"""There where the run's engine was let go by a worker of xdist."""
WORKER_KEY = "pytest_containers"


@dataclass(frozen=True)
class Place:
    """Where the run's embedded engine is, and the process that it ends with; the same for all workers of xdist."""

    directory: Path
    pid: int
    shared: bool = False


def place_of(config: pytest.Config) -> Place:
    """The run's place; a worker of xdist has it from the controller."""
    if PLACE not in config.stash:
        from pathlib import Path

        from pytest_containers.embedded import new_run_directory

        given = getattr(config, "workerinput", {}).get(WORKER_KEY)
        config.stash[PLACE] = (
            Place(Path(given[0]), given[1], shared=True) if given else Place(new_run_directory(), os.getpid())
        )
    return config.stash[PLACE]


def setting(config: pytest.Config, name: str) -> str:
    """The value of ``--containers-NAME``, else of the ini setting ``containers_NAME``, as it was written."""
    key = f"containers_{name}"
    given = config.getoption(key)
    return str(config.getini(key)) if given is None else str(given)


def number_setting(config: pytest.Config, name: str, *, above: float) -> float:
    """A setting that is a number above ``above``; UsageError otherwise."""
    text = setting(config, name)
    try:
        value = float(text)
    except ValueError:
        value = above
    if not value > above or value == float("inf"):
        kind = "a number above 0" if above == 0 else "a whole number from 0 up"
        raise pytest.UsageError(f"containers_{name} must be {kind}, not {text!r}")
    return value


def engine_of(config: pytest.Config) -> Engine:
    """The run's engine, which is not necessarily started; ContainerError says why there is none."""
    __tracebackhide__ = True
    if INSIDE in config.stash:
        raise ContainerError(
            "a test that runs in a container itself (in_container) cannot start containers: the engine is outside"
        )
    if _ENGINE not in config.stash:
        config.stash[_ENGINE] = _located(config)
    engine = config.stash[_ENGINE]
    if isinstance(engine, ContainerError):
        raise engine.with_traceback(None)
    return engine


def _located(config: pytest.Config) -> Engine | ContainerError:
    from pytest_containers import interrupts
    from pytest_containers.locate import locate

    place = place_of(config)
    interrupts.register(config)
    try:
        engine = locate(
            setting(config, "engine"),
            place.directory,
            place.pid,
            shared=place.shared,
            timeout=number_setting(config, "timeout", above=0),
            log_lines=int(number_setting(config, "log_lines", above=-1)),
        )
    except NoEngine as error:
        error.skip = setting(config, "missing") == "skip"
        return error
    except ContainerError as error:
        return error
    engine.skip_missing = setting(config, "missing") == "skip"
    engine.observer = config.stash.get(OBSERVER, None)
    engine.limits_optional = setting(config, "limits") == "warn"
    engine.budget = _budget(config, engine)
    return engine


def _budget(config: pytest.Config, engine: Engine) -> Budget | None:
    from pytest_containers.limits import parse_size

    containers = int(number_setting(config, "max", above=-1))
    memory = parse_size("containers_memory", setting(config, "memory"))
    if not containers and not memory:
        return None
    from pytest_containers.budget import Budget
    from pytest_containers.sharing.things import board_of, worker_of

    budget = Budget(
        lambda: board_of(config).directory / "budget",
        worker_of(config),
        containers or None,
        memory or None,
        engine.timeout,
    )
    budget.spare = functools.partial(close_warm, config)
    return budget


def close_warm(config: pytest.Config) -> None:
    """Remove the warm containers of tests that ran in one."""
    from sys import modules

    if "pytest_containers.isolation.run" in modules:
        modules["pytest_containers.isolation.run"].close(config)


def existing_engine(config: pytest.Config) -> Engine | None:
    """The engine, where anything has asked for one."""
    engine = config.stash.get(_ENGINE, None)
    return None if isinstance(engine, ContainerError) else engine


def begin(config: pytest.Config) -> None:
    """Start the engine in the background. What goes wrong is told to the tests that need it."""
    try:
        engine_of(config).prepare()
    except ContainerError:
        return


def close(config: pytest.Config) -> None:
    """End what the run has."""
    from pytest_containers import interrupts

    with interrupts.end(config):
        _close(config)


def _close(config: pytest.Config) -> None:
    from sys import modules

    if PLACE in config.stash and not hasattr(config, "workerinput"):
        _end_of_workers(config, config.stash[PLACE].directory)
        _end_watch(config.stash[PLACE])
        _remove_locks(config.stash[PLACE].directory.name)
    engine = existing_engine(config)
    if engine is not None and "pytest_containers.lookahead" in modules:
        ahead = modules["pytest_containers.lookahead"].existing(config)
        if ahead:
            ahead.drop()
    if engine is not None:
        engine.close()


def snapshot_locks(run: str) -> Path:
    """Where the processes of a run agree on who makes a snapshot, if its engine is not its own."""
    import tempfile
    from pathlib import Path

    return Path(tempfile.gettempdir()) / f"pytest-containers-{run}-snapshots"


def _remove_locks(run: str) -> None:
    import shutil

    shutil.rmtree(snapshot_locks(run), ignore_errors=True)


def _end_of_workers(config: pytest.Config, directory: Path) -> None:
    from pytest_containers.sharing import board

    if config.stash[PLACE].shared and directory.exists():
        if KEPT in config.stash:
            return
        from pytest_containers.embedded import end_shared

        end_shared(directory)
    elif board.temporary(directory).exists():
        from pytest_containers.sharing.things import end

        end(config)


def _end_watch(place: Place) -> None:
    from pytest_containers import watching
    from pytest_containers.engine import END_LIMIT

    if place.shared and watching.place_of(place.directory.name).exists():
        watching.Watch(place.directory.name, place.pid).end_of_workers(END_LIMIT)


def failure(reason: object) -> BaseException:
    """What fails a test with words alone, or skips it where there is no engine; to be raised ``from None``."""
    from pytest_containers.missing import skip_reason

    if words := skip_reason(reason):
        return pytest.skip.Exception(words)
    return pytest.fail.Exception(str(reason), pytrace=False)


def with_marker(spec: ContainerSpec, first: Limits | None, last: Limits | None) -> ContainerSpec:
    """The definition with limits from two places, of which the last decides."""
    return replace(spec, limits=first.merged(last) if first else last)


def create_network(engine: Engine, name: str, *, internal: bool) -> Network:
    """A network under a name of its own that begins with ``name``."""
    from pytest_containers.engine import RUN_LABEL

    __tracebackhide__ = True
    readable = re.sub(r"[^a-zA-Z0-9_.-]+", "-", name).strip("-.")[:40] or "network"
    unique = f"{readable}-{os.urandom(4).hex()}"
    client = engine.client
    with translated(f"cannot create network {name}"):
        network_id = client.networks.create(
            {"Name": unique, "Driver": "bridge", "Internal": internal, "Labels": {RUN_LABEL: engine.run}}
        )
    return Network(client, network_id, unique)
