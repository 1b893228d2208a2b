"""Look-ahead: the containers of the next test are started while the present one runs, those of a test at once.

Likewise, those of a test are removed while the next one runs (``leaving``).

Only function-scoped definitions whose value is known before the test is set up, and only what no running container can
get in the way of: on the default network, without a name, volumes or directories that are written to. They are started
in a thread and handed over, not awaited, in the set-up that needs them: there the wait is, and what goes wrong is told.
"""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_containers.errors import ContainerError
from pytest_containers.leaving import Leaving
from pytest_containers.markers import limits_of
from pytest_containers.session import engine_of, setting, with_marker
from pytest_containers.starting import END_LIMIT, Start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

AHEAD = "__pytest_containers_ahead__"
"""An attribute of the functions of fixtures: the definition, from the values of other fixtures and a parameter."""
_LOOKAHEAD = pytest.StashKey["LookAhead"]()
LAST_LIMIT = 1.0
"""Seconds that a start may take at the end of the run, which ends a pull."""
_NODES = {"class": pytest.Class, "module": pytest.Module, "package": pytest.Package}


class _Missing(Exception):
    pass


class _Start(Start):
    """One container that is being started, of a definition."""

    def __init__(self, engine: Engine, spec: ContainerSpec, node: pytest.Item, name: str) -> None:
        self.spec = spec
        super().__init__(
            engine, f"next {name}", lambda created: engine.begin_container(spec, node=node, name=name, created=created)
        )


class LookAhead:
    """What is being started, of one process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._starts: dict[tuple[pytest.Item, str], _Start] = {}
        self._begun: dict[pytest.Item, set[str]] = {}  # what a test has set up, or is about to
        self._unsteady: set[str] = set()  # definitions that were other ones when they were needed
        self.leaving: Leaving = Leaving()

    def begin(self, item: pytest.Item, following: pytest.Item) -> None:
        """Start what ``following`` needs and can be started now, while ``item`` is the present test."""
        if following.get_closest_marker("skip") or following.get_closest_marker("in_container"):
            return  # the latter has its fixtures in there
        try:
            engine = engine_of(self._config)
            if engine.budget is not None:  # what is not needed yet may be all that is left
                return
            for name, spec in _definitions(item, following):
                if (following, name) in self._starts or name in self._unsteady or not _is_apart(spec):
                    continue
                if name not in self._begun.get(following, ()):
                    self._starts[following, name] = _Start(engine, spec, following, name)
        except ContainerError:
            return  # the set-up that needs the engine will say

    def set_up(self, node: object, name: str) -> None:
        """A test sets up this container now: start at the same time what else it needs and can be started."""
        if isinstance(node, pytest.Item):
            self._begun.setdefault(node, set()).add(name)
            self.begin(node, node)

    def take(self, node: object, name: str, spec: ContainerSpec) -> _Start | None:
        """What was started for this test under this name; a container of another definition is removed."""
        start = self._starts.pop((cast("pytest.Item", node), name), None)
        if start is None or start.spec == spec:
            return start
        self._unsteady.add(name)
        start.drop()
        return None

    @property
    def is_starting(self) -> bool:
        """Whether there is anything that no test has taken."""
        return bool(self._starts)

    def drop(self, item: pytest.Item | None = None) -> None:
        """Remove what a test that is over did not take; without one, everything."""
        if item is not None:
            self._begun.pop(item, None)
        for key in [key for key in self._starts if item is None or key[0] is item]:
            self._starts.pop(key).drop(END_LIMIT if item else LAST_LIMIT)


def of(config: pytest.Config) -> LookAhead | None:
    """Of the run, where it is wanted."""
    if _LOOKAHEAD not in config.stash:
        if setting(config, "lookahead") != "on":
            return None
        config.stash[_LOOKAHEAD] = LookAhead(config)
    return config.stash[_LOOKAHEAD]


def existing(config: pytest.Config) -> LookAhead | None:
    """The same, where anything was started."""
    return config.stash.get(_LOOKAHEAD, None)


def run(engine: Engine, request: pytest.FixtureRequest, spec: ContainerSpec) -> Container:
    """The container of a fixture, ready: one that was started before, or a new one."""
    __tracebackhide__ = True
    node, name = request.node, request.fixturename or ""
    ahead = of(request.config)
    start = ahead.take(node, name, spec) if ahead else None
    if ahead:
        ahead.set_up(node, name)
    if start is None:
        return engine.run_container(spec, node=node, name=name)
    try:
        container = start.result()
        if container is None:
            return engine.run_container(spec, node=node, name=name)
        return engine.complete_container(container)
    except ContainerError:
        if spec.start_attempts < 2:
            raise
        return engine.run_container(spec, node=node, name=name)


def remove(engine: Engine, request: pytest.FixtureRequest, container: Container, *, known: bool) -> None:
    """The end of a fixture's container: behind the next test where order allows; ``known``: no code has defined it."""
    __tracebackhide__ = True
    ahead, spec = existing(request.config), container.definition
    if ahead is not None and known and _is_apart(spec) and ahead.leaving.may_take(engine, request.node, spec):
        ahead.leaving.take(engine, container)
        return
    if ahead is not None:
        ahead.leaving.wait()
    engine.remove(container)


def _is_apart(spec: ContainerSpec) -> bool:
    """Whether no container that runs at the same time gets in its way, nor it in theirs, and no user's code is run."""
    shared = spec.name or spec.volumes or spec.docker or spec.after_start
    written = any(not target.endswith(":ro") for target in spec.binds.values())
    return not shared and not written and spec.network in {None, "bridge", "none"}


def _definitions(item: pytest.Item, following: pytest.Item) -> Iterator[tuple[str, ContainerSpec]]:
    """The containers of function scope that a test will need, as far as their definitions are known."""
    fixtures: dict[str, Any] = getattr(getattr(following, "_fixtureinfo", None), "name2fixturedefs", {})
    params: dict[str, object] = getattr(getattr(following, "callspec", None), "params", {})
    for name in getattr(following, "fixturenames", ()):
        found = fixtures[name][-1] if fixtures.get(name) else None
        ahead: Callable[..., ContainerSpec] | None = getattr(found.func, AHEAD, None) if found else None
        if found is None or ahead is None or found.scope != "function":
            continue
        values = {each: _value(item, following, fixtures, params, each) for each in found.argnames if each != "request"}
        if any(value is _Missing for value in values.values()):
            continue
        request = SimpleNamespace(fixturename=name, **({"param": params[name]} if name in params else {}))
        with suppress(Exception, pytest.fail.Exception, pytest.skip.Exception):  # it is told when the test is set up
            spec = ahead(request, values)
            yield name, with_marker(spec, spec.limits, limits_of(following))


def _value(
    item: pytest.Item, following: pytest.Item, fixtures: dict[str, Any], params: dict[str, object], name: str
) -> object:
    """The value of a fixture that is set up and stays so until the next test; else _Missing."""
    definition = fixtures[name][-1] if fixtures.get(name) else None
    if definition is None or definition.scope == "function" or definition.cached_result is None:
        return _Missing
    kind = _NODES.get(definition.scope)
    if kind is not None and item.getparent(kind) is not following.getparent(kind):
        return _Missing
    value, key, failed = definition.cached_result
    if failed is not None or key is not params.get(name):
        return _Missing
    return value
