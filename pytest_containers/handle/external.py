"""The handle of a server that somebody else runs, and that stands in for a container."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from pytest_containers.definition import ContainerSpec
from pytest_containers.errors import ContainerError
from pytest_containers.handle import Container
from pytest_containers.handle.host_ports import MACHINE
from pytest_containers.wait import none, port

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_containers.external import Place, Server
    from pytest_containers.handle import Logs

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


class _Engine:
    """In the place of an engine: there is none, and whoever asks it is told so."""

    own_addresses = True
    forwards = False
    snapshots = False
    observer = None
    log_lines = 0

    def __init__(self, what: str, timeout: float) -> None:
        self._what = what
        self.timeout = timeout

    @property
    def client(self) -> Any:
        return self

    def __getattr__(self, _name: str) -> NoReturn:
        raise ContainerError(f"{self._what} is no container of this run")


class _Never:
    """The end of something that this run does not end."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        return self._read


REFUSED = {
    "exec": "run a command in",
    "begin_exec": "run a command in",
    "log_streams": "read the output of",
    "follow": "read the output of",
    "output": "read the output of",
    "inspect": "inspect",
    "health": "ask for the health of",
    "health_events": "ask for the health of",
    "exists": "look for files of",
    "expose_host_port": "lead the way back for",
    "start": "start",
    "begin": "start",
    "stop": "stop",
    "restart": "restart",
    "kill": "kill",
    "wait": "await the end of",
    "remove": "remove",
    "finish": "remove",
    "checkpoint": "keep the files of",
    "restore": "restore the files of",
}
"""What only a container can do, by the methods' names, and how it reads."""


def _refused(verb: str) -> Callable[..., NoReturn]:
    def refuse(self: External, *_: object, **_options: object) -> NoReturn:
        __tracebackhide__ = True
        raise ContainerError(f"cannot {verb} {self}: it is no container of this run (--containers-external)")

    return refuse


class External(Container):
    """See above; ``external`` is the URL."""

    _server: Server

    @property
    def status(self) -> str:
        """It runs, as far as this run knows."""
        return "running"

    @property
    def exit_code(self) -> int | None:
        """None: it has not ended."""
        return None

    @functools.cached_property
    def logs(self) -> Logs:
        """Nothing is known of its output."""
        __tracebackhide__ = True
        return _refused("read the output of")(self)

    @property
    def external(self) -> str:
        """The URL, as it was given."""
        return self._server.main.url

    def __repr__(self) -> str:
        return f"<External {self._what}>"

    def __str__(self) -> str:
        return self._what

    @property
    def _what(self) -> str:
        return f"{self._label} (external, {self._server.main.url})"

    @property
    def host(self) -> str:
        """Where it is."""
        return self._server.main.host

    def _place(self, number: int) -> Place:
        __tracebackhide__ = True
        found = self._server.ports.get(number, self._server.place)
        if found is None:
            raise ContainerError(
                f"port {number} of {self._what} is not known: --containers-external {self._label}:{number}=URL"
            )
        return found

    def port(self, number: int) -> int:
        """The port that stands for the container's."""
        __tracebackhide__ = True
        return self._place(number).port_for(number)

    def url(self, port: int = 80, scheme: str = "http") -> str:
        """As a container's; where the URL given is one of the web, with its scheme and path."""
        __tracebackhide__ = True
        place = self._place(port)
        address = _joined(place.host, place.port_for(port))
        given, _, rest = place.url.partition("://")
        if scheme == "http" and given in {"http", "https"}:
            return f"{given}://{address}{rest[len(rest.partition('/')[0]) :].rstrip('/')}"
        return f"{scheme}://{address}"

    def address(self, port: int) -> str:
        """``host:port`` for containers, which find a server of this machine by another name."""
        __tracebackhide__ = True
        place = self._place(port)
        return _joined(MACHINE if place.host in LOOPBACK else place.host, place.port_for(port))

    def listens(self, number: int) -> None:
        """A connection from here tells."""
        del number

    def open_wait(self) -> Any:
        """It does not end with anything that we do."""
        return _Never()

    def last_lines(self) -> str:
        """Nothing is known of its output."""
        return ""


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def handle(server: Server, spec: ContainerSpec | None, timeout: float) -> Container:
    """The handle of a server in the place of a container of this definition, of the class that it wants.

    Raises:
        ContainerError: its definition names several ports, and the settings only one place for them.
    """
    spec = spec or ContainerSpec(server.name)
    named = {*spec.ports, *(spec.wait.ports() if spec.wait else ())}
    if server.place and server.place.port and len(named - {*server.ports}) > 1:
        raise ContainerError(
            f"external {server.name}: its definition has the ports {', '.join(map(str, sorted(named)))}, and one URL "
            f"cannot be all of them: --containers-external {server.name}:{min(named)}=URL, and so on"
        )
    main = server.main.port
    seen = spec.wait.outside() if spec.wait else None
    if seen is None:
        seen = port(_number_of(server, named)) if main else none()
    spec = replace(spec, wait=seen)
    wanted = spec.cls or Container
    refusals = {name: _refused(verb) for name, verb in REFUSED.items()}
    kind = cast("type[External]", type(f"External{wanted.__name__}", (External, wanted), refusals))
    engine: Any = _Engine(f"{server.name} (external, {server.main.url})", timeout)
    made = kind.__new__(kind)
    made._server = server  # pyright: ignore[reportPrivateUsage]  # before anything asks where it is
    made.__init__(engine, "", spec, None, server.name)  # pyright: ignore[reportUnknownMemberType]
    made.name = server.name
    made.reused = True  # what tests leave there is met by other runs
    return made


def _number_of(server: Server, named: set[int]) -> int:
    """A port of the container's, by which the server can be asked whether it is there."""
    if server.place is None:
        return next(iter(server.ports))
    return min(named, default=server.place.port or 0)
