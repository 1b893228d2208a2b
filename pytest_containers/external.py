"""``--containers-external NAME=URL``: a server that runs already stands in for the container fixture NAME.

The fixture is changed when pytest has found it and not yet asked what it depends on: what only the container needed, a
network or another container, is not made either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from pytest_containers.errors import ContainerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from pytest_containers.definition import ContainerSpec
    from pytest_containers.handle import Container

OPTION = "containers_external"
DEFINITION = "__pytest_containers_definition__"
"""An attribute of the functions of container fixtures: the definition, as far as no other fixture is needed for it."""
EXAMPLE = "NAME=URL, such as db=tcp://127.0.0.1:5432, or NAME:PORT=URL for one port of several"
_SETTING = re.compile(r"(?P<name>[^\W\d]\w*)(:(?P<port>\d+))?=(?P<url>\S+)")
_SCHEME_PORTS = {"http": 80, "https": 443}
_EXTERNALS = pytest.StashKey["Externals"]()


@dataclass(frozen=True)
class Place:
    """Where a port of an external server is. ``port``: None where the URL names none, so that it is the container's."""

    url: str
    host: str
    port: int | None

    def port_for(self, number: int) -> int:
        """The port that stands for the container's port ``number``."""
        return self.port or number


@dataclass
class Server:
    """An external server: where it is, and where single ports of it are, by the container's numbers."""

    name: str
    place: Place | None = None
    ports: dict[int, Place] = field(default_factory=dict[int, Place])

    @property
    def main(self) -> Place:
        """Where it is, all in all."""
        return self.place or next(iter(self.ports.values()))


def parse(settings: Iterable[str]) -> dict[str, Server]:
    """The servers by the names of the fixtures that they stand in for; UsageError for what cannot be meant."""
    servers: dict[str, Server] = {}
    for text in settings:
        found = _SETTING.fullmatch(text.strip())
        if not found:
            raise pytest.UsageError(f"{OPTION} must be {EXAMPLE}, not {text!r}")
        server = servers.setdefault(found["name"], Server(found["name"]))
        place = _place(text, found["url"])
        number = int(found["port"] or 0)
        if (number in server.ports) if number else server.place:
            raise pytest.UsageError(f"{OPTION} names {text.partition('=')[0]} twice")
        if number:
            server.ports[number] = place
        else:
            server.place = place
    return servers


def _place(text: str, url: str) -> Place:
    try:
        parts = urlsplit(url if "://" in url else f"tcp://{url}")
        port = parts.port or _SCHEME_PORTS.get(parts.scheme)
    except ValueError as error:
        raise pytest.UsageError(f"{OPTION}: {text!r}: {error}") from None
    if not parts.hostname:
        raise pytest.UsageError(f"{OPTION} must be {EXAMPLE}, not {text!r}")
    return Place(url, parts.hostname, port)


class Externals:
    """Those of a run, and which of their fixtures were seen."""

    def __init__(self, servers: dict[str, Server]) -> None:
        self.servers = servers
        self._seen: set[str] = set()
        self._collectors: dict[pytest.Collector, None] = {}

    def replace(self, collector: pytest.Collector) -> None:
        """Change the fixtures that are seen there; pytest has not yet asked what they depend on."""
        self._collectors[collector] = None
        for name, server in self.servers.items():
            for definition in _definitions(name, collector):
                define: Callable[..., ContainerSpec | None] | None = getattr(definition.func, DEFINITION, None)
                if define is not None:
                    # What pytest has made of the user's line; there is no public way to change it.
                    definition.func = _standing_in(server, define)
                    definition.argnames = ("request",)
                    self._seen.add(name)

    def check(self, session: pytest.Session) -> None:
        """Raise UsageError where a fixture was not there, if it should have been."""
        config = session.config
        unknown = next((name for name in self.servers if name not in self._seen), None)
        partly = config.args_source is pytest.Config.ArgsSource.ARGS
        if unknown is None or session.testsfailed or (partly and not config.getoption(OPTION)):
            return
        ours = [name for name in _names(session) if name in self._seen or self._is_ours(name)]
        known = any(_definitions(unknown, collector) for collector in self._collectors)
        what = "is no container fixture" if known else "names no fixture of this run"
        there = f"there are {', '.join(sorted(ours))}" if ours else "there are none by container()"
        words = f"{OPTION}: {unknown!r} {what}; {there}"
        if not hasattr(config, "workerinput"):
            raise pytest.UsageError(words)
        # A worker of xdist cannot end the run by raising; its errors of collection are told.
        config.hook.pytest_collectreport(report=pytest.CollectReport("containers-external", "failed", words, []))

    def _is_ours(self, name: str) -> bool:
        return any(
            hasattr(definition.func, DEFINITION)
            for collector in self._collectors
            for definition in _definitions(name, collector)
        )


def _definitions(name: str, node: pytest.Collector) -> Sequence[Any]:
    """pytest's objects for the fixtures of a name, as they are seen from ``node``."""
    manager = node.session._fixturemanager  # pyright: ignore[reportPrivateUsage]
    return manager.getfixturedefs(name, node) or ()


def _names(session: pytest.Session) -> set[str]:
    """The names of all fixtures: pytest's tables of them have had several names (8.0 to 9.2)."""
    tables = ("_arg2fixturedefs", "_arg2node2fixturedefs", "_arg2nodeid2fixturedefs")
    manager = session._fixturemanager  # pyright: ignore[reportPrivateUsage]
    return {name for table in tables for name in getattr(manager, table, ())}


def _standing_in(
    server: Server, define: Callable[..., ContainerSpec | None]
) -> Callable[[pytest.FixtureRequest], Generator[Container]]:
    def external(request: pytest.FixtureRequest) -> Generator[Container]:
        __tracebackhide__ = True
        from pytest_containers.handle.external import handle
        from pytest_containers.session import failure, number_setting

        try:
            made = handle(server, define(request), number_setting(request.config, "timeout", above=0))
            made.await_ready()
        except ContainerError as error:
            raise failure(error) from None
        yield made

    return external


def configure(config: pytest.Config) -> None:
    """Look at the settings, where there are any."""
    settings = [*config.getini(OPTION), *(config.getoption(OPTION) or ())]
    if settings:
        config.stash[_EXTERNALS] = Externals(parse(settings))


def of(config: pytest.Config) -> Externals | None:
    """Those of the run, where it has any."""
    return config.stash.get(_EXTERNALS, None)
