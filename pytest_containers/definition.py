"""What a container is to be: plain data, checked when it is written down, and the request that it becomes."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from logging import Logger
from typing import TYPE_CHECKING, Any, TypedDict, cast

from pytest_containers.files import Content, check_files
from pytest_containers.limits import Limits
from pytest_containers.networks import Network
from pytest_containers.options import OF_FIXTURES, check_names
from pytest_containers.volumes import Volume
from pytest_containers.wait.base import Wait

if TYPE_CHECKING:
    from pytest_containers.client.request_types import ContainerBody, HostConfig
    from pytest_containers.handle import Container
    from pytest_containers.snapshots.seeds import Seed

Command = str | Sequence[str]
"""A program and its arguments; a string is split as a POSIX shell splits words, and no shell is involved."""

Hook = Callable[[Any], object]
"""A function that is given the container, and whose result is not looked at."""

DEFAULT_NETWORK = "bridge"


def split(command: object, what: str = "command") -> list[str]:
    """The words of a command; raise TypeError or ValueError that names ``what``."""
    if isinstance(command, str):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ValueError(f"{what} {command!r} cannot be split into words: {error}") from None
    else:
        words = _strings(what, command)
    if not words:
        raise ValueError(f"{what} is empty")
    return words


def _strings(what: str, value: object) -> list[str]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError(f"{what} must be a list of strings, not {value!r}")
    for item in cast("Sequence[object]", value):
        if not isinstance(item, str):
            raise TypeError(f"{what} must be a list of strings, but holds {item!r}")
    return list(cast("Sequence[str]", value))


def _string(what: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{what} must be a non-empty string, not {value!r}")


def _mapping(what: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must map strings to strings, not be {value!r}")
    for key, item in cast("Mapping[object, object]", value).items():
        if not isinstance(key, str) or not isinstance(item, str):
            raise TypeError(f"{what} must map strings to strings, but holds {key!r}: {item!r}")


def _ports(value: object) -> None:
    if not isinstance(value, Sequence):
        raise TypeError(f"ports must be a list of numbers, not {value!r}")
    for port in cast("Sequence[object]", value):
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise ValueError(f"ports must be numbers from 1 to 65535, but hold {port!r}")


class CommonOptions(TypedDict, total=False):
    """What can be said about a container besides image and command; ContainerSpec has the meanings."""

    entrypoint: Command | None
    name: str | None
    aliases: Sequence[str]
    env: Mapping[str, str]
    wait: Wait | None
    timeout: float | None
    limits: Limits | None
    user: str | None
    workdir: str | None
    hostname: str | None
    tmpfs: Sequence[str] | Mapping[str, str]
    binds: Mapping[str, str]
    labels: Mapping[str, str]
    ports: Sequence[int]
    files: Mapping[str, Content]
    copies: Mapping[str, str]
    privileged: bool
    read_only: bool
    start_attempts: int
    stop_timeout: float | None
    stop_signal: str | None
    after_start: Hook | None
    after_ready: Hook | None
    before_stop: Hook | None
    docker: Mapping[str, Any]
    log_to: Logger | None
    snapshot: bool | str
    seed: Seed | Sequence[Seed]


class Options(CommonOptions, total=False):
    """The same where the network is at hand."""

    network: Network | str | None
    volumes: Mapping[str, Volume | str]


class AllOptions(Options, total=False):
    """All of ContainerSpec but image and command."""

    cls: type[Container] | None


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """Everything about one container that is to be; also what a function under ``@container.define`` returns.

    Attributes:
        image: ``host`` for the machine's own programs, or a reference such as ``redis:7``.
        command: program and arguments in place of the image's; a string is split as a shell would.
        entrypoint: in place of the image's.
        name: the container's name in its engine; without it the engine makes one up.
        network: a ``Network``, or the name of one that the engine has; without it the run's default network.
        aliases: further names in a private network; its fixture's name is one always.
        env: environment variables.
        wait: what makes it ready; without it its image's health check, else any one of the ports that its image
            exposes, else that it is started. ``wait.none()``: that in any case.
        timeout: seconds that it may take to become ready, and that waits for its end and its output take by default;
            without it ``--containers-timeout``.
        limits: what it may use.
        user: ``name``, ``uid`` or ``uid:gid``.
        workdir: working directory.
        hostname: host name.
        tmpfs: paths of file systems in memory, or a mapping of path to options (``size=10m``).
        binds: directories of the machine: source to target, ``/target:ro`` for reading only.
        labels: labels.
        ports: ports to publish where containers have no address of their own (Docker); ports that ``wait`` names
            are published too.
        volumes: path in the container to a ``Volume`` (the value of a volume fixture) or a volume's name.
        files: path in the container to content (bytes, text, a ``pathlib.Path``, or ``File`` with mode and owner);
            they are there before the first instruction runs.
        copies: directories of the machine that are copied in, source to target, so that writes stay in the container.
        privileged: with all capabilities and devices.
        read_only: with a root filesystem that cannot be written to.
        start_attempts: how often to try until it is ready; each try is a new container.
        stop_timeout: seconds that it gets to end by itself at teardown; without it it is killed at once.
        stop_signal: the signal that asks it to, in place of its image's.
        after_start, after_ready, before_stop: functions that get the container at that moment.
        docker: fields of Docker's create request that are merged in last, for what has no name here.
        cls: a class derived from ``Container`` that the handle is to have.
        log_to: a logger of Python's ``logging`` that gets each line of its output, at level INFO.
        snapshot: made once: started until it is ready, seeded, stopped and frozen; what a test gets starts from there,
            with the image's anonymous volumes. A string is one more part of what the snapshot is known by.
        seed: what it gets before it is frozen: SQL (text, the path of a file, or ``SQL`` with a client of its own),
            files by their paths, or a function that takes the container; or a list of such.
    """

    image: str = field(kw_only=False)
    command: Command | None = field(default=None, kw_only=False)
    entrypoint: Command | None = None
    name: str | None = None
    network: Network | str | None = None
    aliases: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    wait: Wait | None = None
    timeout: float | None = None
    limits: Limits | None = None
    user: str | None = None
    workdir: str | None = None
    hostname: str | None = None
    tmpfs: Sequence[str] | Mapping[str, str] = ()
    binds: Mapping[str, str] = field(default_factory=dict[str, str])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: Sequence[int] = ()
    volumes: Mapping[str, Volume | str] = field(default_factory=dict[str, "Volume | str"])
    files: Mapping[str, Content] = field(default_factory=dict[str, Content])
    copies: Mapping[str, str] = field(default_factory=dict[str, str])
    privileged: bool = False
    read_only: bool = False
    start_attempts: int = 1
    stop_timeout: float | None = None
    stop_signal: str | None = None
    after_start: Hook | None = None
    after_ready: Hook | None = None
    before_stop: Hook | None = None
    docker: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cls: type[Container] | None = None
    log_to: Logger | None = None
    snapshot: bool | str = False
    seed: Seed | Sequence[Seed] = ()

    def __post_init__(self) -> None:
        _string("image", self.image)
        for what in ("command", "entrypoint"):
            if getattr(self, what) is not None:
                split(getattr(self, what), what)
        for what in ("name", "user", "workdir", "hostname"):
            if getattr(self, what) is not None:
                _string(what, getattr(self, what))
        for what in ("env", "binds", "labels"):
            _mapping(what, getattr(self, what))
        _strings("aliases", self.aliases)
        if isinstance(self.tmpfs, Mapping):
            _mapping("tmpfs", self.tmpfs)
        else:
            _strings("tmpfs", self.tmpfs)
        _ports(self.ports)
        check_files(self.files, absolute=True)
        _mapping("copies", self.copies)
        self._check_objects()
        self._check_life()
        if self.seed or self.snapshot:
            self._check_snapshot()

    def _check_objects(self) -> None:
        # Users need not have a type checker, so the declared types are checked as if there were none.
        wait, limits, timeout, network = cast(
            "tuple[object, ...]", (self.wait, self.limits, self.timeout, self.network)
        )
        if wait is not None and not isinstance(wait, Wait):
            raise TypeError(f"wait must be one of pytest_containers.wait, such as wait.port(6379), not {wait!r}")
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits must be Limits(…), not {limits!r}")
        if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0):
            raise ValueError(f"timeout must be a number of seconds above 0, not {timeout!r}")
        log_to = cast("object", self.log_to)
        if log_to is not None and not isinstance(log_to, Logger):
            raise TypeError(f"log_to must be a logger such as logging.getLogger('app'), not {log_to!r}")
        if network is not None and not isinstance(network, str | Network):
            raise TypeError(f"network must be a Network (the value of a network fixture) or a name, not {network!r}")

    def _check_life(self) -> None:
        attempts, patience, kind = cast("tuple[object, ...]", (self.start_attempts, self.stop_timeout, self.cls))
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            raise ValueError(f"start_attempts must be a whole number from 1 up, not {attempts!r}")
        if patience is not None and (
            isinstance(patience, bool) or not isinstance(patience, int | float) or patience < 0
        ):
            raise ValueError(f"stop_timeout must be a number of seconds from 0 up, not {patience!r}")
        for what in ("after_start", "after_ready", "before_stop"):
            if getattr(self, what) is not None and not callable(getattr(self, what)):
                raise TypeError(f"{what} must be a function that takes the container, not {getattr(self, what)!r}")
        if kind is not None and not (isinstance(kind, type) and hasattr(kind, "await_ready")):
            raise TypeError(f"cls must be a class derived from Container, not {kind!r}")
        for path, volume in cast("Mapping[object, object]", self.volumes).items():
            if not isinstance(path, str) or not path.startswith("/"):
                raise ValueError(f"volumes: {path!r} must be an absolute path in the container")
            if not isinstance(volume, str | Volume):
                raise TypeError(f"volumes: {path} must be a Volume or a volume's name, not {volume!r}")

    def _check_snapshot(self) -> None:
        from pytest_containers.snapshots.seeds import steps

        if not isinstance(cast("object", self.snapshot), bool | str):
            raise TypeError(f"snapshot must be True, False or a string, not {self.snapshot!r}")
        if steps(self.seed) and not self.snapshot:
            raise ValueError("seed is for snapshot=True: after_ready is a function that each container gets")

    @property
    def network_name(self) -> str:
        """The network's name in the engine."""
        if self.network is None:
            return DEFAULT_NETWORK
        return self.network if isinstance(self.network, str) else self.network.name


def specify(image: str, command: Command | None, options: AllOptions) -> ContainerSpec:
    """ContainerSpec without a traceback through its checks: a mistake shows at the line that called us."""
    __tracebackhide__ = True
    check_names("container", options, {one.name for one in fields(ContainerSpec)}, OF_FIXTURES)
    try:
        return ContainerSpec(image, command, **options)
    except (TypeError, ValueError) as error:
        raise error.with_traceback(None) from None


def _host_config(spec: ContainerSpec) -> HostConfig:
    config: HostConfig = spec.limits.host_config() if spec.limits else {}
    config["NetworkMode"] = spec.network_name
    if spec.binds:
        config["Binds"] = [f"{source}:{target}" for source, target in spec.binds.items()]
    if spec.volumes:
        named = {path: one if isinstance(one, str) else one.name for path, one in spec.volumes.items()}
        config["Binds"] = [*config.get("Binds", []), *(f"{name}:{path}" for path, name in named.items())]
    if spec.privileged:
        config["Privileged"] = True
    if spec.read_only:
        config["ReadonlyRootfs"] = True
    if spec.tmpfs:
        config["Tmpfs"] = dict(spec.tmpfs) if isinstance(spec.tmpfs, Mapping) else dict.fromkeys(spec.tmpfs, "")
    return config


def create_body(
    spec: ContainerSpec, labels: Mapping[str, str], aliases: Sequence[str], *, publish: bool
) -> ContainerBody:
    """The body of ``POST /containers/create``; ``publish`` where containers cannot be reached by address."""
    config = _host_config(spec)
    body: dict[str, Any] = {
        "Image": spec.image,
        "Labels": {**spec.labels, **labels},
        "HostConfig": config,
    }
    optional: dict[str, object] = {
        "Cmd": None if spec.command is None else split(spec.command),
        "Entrypoint": None if spec.entrypoint is None else split(spec.entrypoint, "entrypoint"),
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "User": spec.user,
        "WorkingDir": spec.workdir,
        "Hostname": spec.hostname,
        "StopSignal": spec.stop_signal,
    }
    body |= {key: value for key, value in optional.items() if value}
    names = [*aliases, *spec.aliases]
    if names and spec.network_name not in {DEFAULT_NETWORK, "host", "none"}:  # Docker allows aliases in own networks
        body["NetworkingConfig"] = {"EndpointsConfig": {spec.network_name: {"Aliases": names}}}
    ports = {*spec.ports, *(spec.wait.ports() if spec.wait else ())}
    if ports and spec.network_name not in {"host", "none"}:
        body["ExposedPorts"] = {f"{port}/tcp": {} for port in sorted(ports)}
    if publish and spec.network_name not in {"host", "none"}:
        body["HostConfig"] |= {"PublishAllPorts": True}
        if not spec.network_name.startswith("container:"):  # the embedded engine has the name by itself
            body["HostConfig"] |= {"ExtraHosts": ["host.docker.internal:host-gateway"]}
    return cast("ContainerBody", _merged(body, spec.docker))


def _merged(body: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """``body`` with ``more`` in it; objects are merged, everything else is replaced."""
    merged = dict(body)
    for name, value in more.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged
