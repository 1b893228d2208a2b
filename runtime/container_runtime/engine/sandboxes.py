"""A container's place in the networks, and the files that tell it of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from container_runtime.engine import publishing
from container_runtime.engine.container import NETWORKLESS
from container_runtime.errors import Conflict, EngineError, InvalidParameter
from container_runtime.network.hosts import render_hosts, render_resolv_conf

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.network.model import Network
    from container_runtime.oci.spec import Namespace

_FILES = ("hosts", "hostname", "resolv.conf")


def _shared(engine: Engine, container: Container) -> Container | None:
    """The container whose network it shares."""
    mode = container.network_mode
    return engine.find(mode.partition(":")[2]) if mode.startswith("container:") else None


def check(engine: Engine, container: Container) -> None:
    """Refuse a network that is not there, before anything is made.

    Raises:
        NotFound: no such network or container.
        InvalidParameter: it shares another's network, and is to have something else that goes with it.
    """
    mode = container.network_mode
    _check_conflicts(container)
    _follow(engine, container)
    if _shared(engine, container) is None and mode not in {"none", "host"}:
        engine.networks.get(mode)
    for name in _wanted(container):
        engine.networks.get(name)
    for link in container.host.get("Links") or []:
        engine.find(str(link).partition(":")[0])


def _check_conflicts(container: Container) -> None:
    """In moby's words (daemon/pkg/opts, runconfig/errors.go)."""
    body, host = container.body, container.host
    if body.get("Hostname") and host.get("UTSMode") == "host":
        raise InvalidParameter("conflicting options: hostname and the UTS mode")
    if not container.network_mode.startswith("container:"):
        return
    for there, what in (
        (body.get("Hostname"), "hostname and the network mode"),
        (host.get("Links"), "container type network can't be used with links. This would result in undefined behavior"),
        (host.get("Dns"), "dns and the network mode"),
        (host.get("ExtraHosts"), "custom host-to-IP mapping and the network mode"),
    ):
        if there:
            raise InvalidParameter(f"conflicting options: {what}")


def _follow(engine: Engine, container: Container) -> None:
    """One that shares another's network has its names and files, too."""
    shared = _shared(engine, container)
    if shared is not None:
        container.hostname, container.network_files = shared.hostname, shared.network_files
        container.body["Domainname"] = shared.body.get("Domainname") or ""


def _wanted(container: Container) -> dict[str, dict[str, Any]]:
    """Networks by name or id, with what was asked for in each; the one of the network mode comes first."""
    mode = container.network_mode
    if mode in {"none", "host"} or mode.startswith("container:"):
        return {}
    asked: dict[str, Any] = (container.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    others = {name: config or {} for name, config in asked.items() if name not in {mode, "default"}}
    return {mode: asked.get(mode) or asked.get("default") or {}, **others}


def namespace(engine: Engine, container: Container) -> Namespace | None:
    """The network namespace for config.json; None is the machine's."""
    if container.network_mode == "host":
        return None
    shared = _shared(engine, container)
    owner = container.id if shared is None else shared.id
    if owner in engine.networks.sandboxes:
        return {"type": "network", "path": engine.networks.sandboxes[owner].path}
    return {"type": "network"}


def files(container: Container) -> dict[str, str]:
    """Destination -> source of the files that are bound into it."""
    return {f"/etc/{name}": str(container.network_files / name) for name in _FILES}


def prepare(engine: Engine, container: Container) -> None:
    """Namespace, interfaces and files, before a start; what a first start made, a later one finds."""
    shared = _shared(engine, container)
    if shared is not None and not shared.running:
        raise Conflict(f"cannot join network of a non running container: {shared.id}")
    _follow(engine, container)
    if container.network_mode != "host" and shared is None:
        _wire(engine, container)
    write_files(engine, container)


def _wire(engine: Engine, container: Container) -> None:
    """Once: its namespace, and the networks that its creation asked for."""
    if container.id in engine.networks.sandboxes:
        return
    wanted = _wanted(container)
    name, asked = next(iter(wanted.items()), ("", {}))
    if asked.get("IPAMConfig") or container.body.get("MacAddress"):
        engine.networks.open_sandbox(container.id)
    else:
        engine.networks.take_sandbox(container.id, engine.networks.get(name) if name else None)
    try:
        for name, asked in wanted.items():
            _join(engine, container, engine.networks.get(name), asked)
    except BaseException:
        release(engine, container)  # all or nothing: the next start tries again
        raise


def connect(engine: Engine, container: Container, network: Network, asked: dict[str, Any]) -> None:
    """Connect with one more network, before the start too: then those of its creation come first.

    Raises:
        Conflict: it has no networks of its own, or is in this one already.
    """
    mode = container.network_mode
    if mode in NETWORKLESS or mode.startswith("container:"):
        raise Conflict(f"container {container.name} cannot be connected to network {network.name}: its mode is {mode}")
    _wire(engine, container)
    _join(engine, container, network, asked)
    write_files(engine, container)
    if container.running:
        try:
            publishing.open_ports(engine, container)
        except EngineError:
            disconnect(engine, container, network)
            raise


def disconnect(engine: Engine, container: Container, network: Network) -> None:
    """Take it out of a network.

    Raises:
        NotFound: it is not in it.
    """
    if container.network_mode not in NETWORKLESS:
        _wire(engine, container)
    engine.networks.disconnect(container.id, network)
    container.endpoints.pop(network.id, None)
    write_files(engine, container)
    if container.running:
        publishing.open_ports(engine, container)


def rename(container: Container, name: str) -> None:
    """It is found under its new name in all its networks, and under the old one no more."""
    for _, endpoint in container.endpoints.values():
        endpoint.names[:] = dict.fromkeys([name, *(one for one in endpoint.names if one != container.name)])


def _join(engine: Engine, container: Container, network: Network, asked: dict[str, Any]) -> None:
    """Give it an interface in a network, under its names and the aliases that were asked for."""
    if network.driver != "bridge":
        raise InvalidParameter(f"container cannot be connected to network {network.name}")
    aliases = [str(alias) for alias in asked.get("Aliases") or []]
    address = (asked.get("IPAMConfig") or {}).get("IPv4Address") or None
    sandbox = engine.networks.open_sandbox(container.id)
    endpoint = engine.networks.connect(
        sandbox,
        network,
        names=list(dict.fromkeys([container.name, container.id[:12], container.hostname, *aliases])),
        address=address,
        mac=container.body.get("MacAddress") or None,
    )
    container.endpoints[network.id] = (network, endpoint)


def write_files(engine: Engine, container: Container) -> None:
    """/etc/hosts, /etc/hostname and /etc/resolv.conf: rewritten in place, since they are bound by file."""
    if _shared(engine, container) is not None:
        return
    endpoints = container.endpoints
    own = [(endpoint.address, _host_names(container)) for _, endpoint in endpoints.values()]
    networks = [network for network, _ in endpoints.values()]
    host_address = engine.networks.host_address(networks[0]) if networks else ""
    extra = [str(entry) for entry in container.host.get("ExtraHosts") or []] + _links(engine, container)
    nameservers = [str(server) for server in container.host.get("Dns") or []]
    nameservers = nameservers or [engine.networks.nameserver(network) for network in networks]
    search = [str(one) for one in container.host.get("DnsSearch") or []]
    options = [str(one) for one in container.host.get("DnsOptions") or []] or ["ndots:0"]
    _write(container, "hosts", render_hosts(own, host_address, extra))
    _write(container, "hostname", f"{container.hostname}\n")
    _write(container, "resolv.conf", render_resolv_conf(nameservers, search, options))


def _links(engine: Engine, container: Container) -> list[str]:
    """``--link other:alias`` as lines of the hosts file: the alias, and the other's name, of those that run."""
    lines: list[str] = []
    for link in container.host.get("Links") or []:
        reference, _, alias = str(link).partition(":")
        other = engine.find(reference)
        address = _address(engine, other)
        if address:
            lines += [
                f"{name}:{address}" for name in dict.fromkeys([alias.rpartition("/")[2] or other.name, other.name])
            ]
    return lines


def _host_names(container: Container) -> list[str]:
    domain = container.body.get("Domainname")
    return [f"{container.hostname}.{domain}", container.hostname] if domain else [container.hostname]


def _write(container: Container, name: str, text: str) -> None:
    descriptor = os.open(f"{container.directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _address(engine: Engine, container: Container) -> str:
    """Its first address, or that of the container whose network it shares; empty for none."""
    owner = _shared(engine, container) or container
    return next((endpoint.address for _, endpoint in owner.endpoints.values()), "")


def forward(engine: Engine, container: Container, port: int) -> tuple[str, int]:
    """Where the machine reaches a port of a running container: its own address, or a loopback one (``forwards``).

    With port 0 nothing is opened.

    Raises:
        Conflict: it has no address, or does not run.
    """
    address = _address(engine, container)
    if container.network_mode == "host":
        return "127.0.0.1", port
    if not address or not container.running:
        raise Conflict(f"container {container.name} has no address: is it running, and in a network?")
    if engine.networks.forwards is None:
        return address, port
    number = engine.networks.forwards.open(container.id, address, port) if port else 0
    return engine.networks.forwards.host(container.id), number


async def is_open(engine: Engine, container: Container, port: int) -> bool:
    """Whether a program in the container takes connections at the port."""
    forwards, address = engine.networks.forwards, _address(engine, container)
    return forwards is not None and bool(address) and await forwards.is_open(address, port)


def open_forwards(engine: Engine, container: Container) -> None:
    """After a start: the ports that image and request expose, and those that were asked for before."""
    forwards = engine.networks.forwards
    if forwards is None or not container.endpoints:
        return
    exposed = {**(container.image.config.get("ExposedPorts") or {}), **(container.body.get("ExposedPorts") or {})}
    ports = [int(name.partition("/")[0]) for name in exposed if name.partition("/")[2] in {"", "tcp"}]
    for port in dict.fromkeys([*ports, *forwards.ports(container.id)]):
        forward(engine, container, port)


def release(engine: Engine, container: Container) -> None:
    """Its addresses, names and ports are free."""
    engine.networks.publisher.forget(container.id)
    container.published = None
    if engine.networks.forwards is not None:
        engine.networks.forwards.forget(container.id)
    engine.networks.close_sandbox(container.id)
    container.endpoints.clear()
