"""A container's published ports: which it wants, when they are open, and how Docker shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from container_runtime.engine.container import NETWORKLESS
from container_runtime.errors import EngineError, InvalidParameter
from container_runtime.network import bindings
from container_runtime.network.bindings import ANYWHERE, Port, Wanted

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.engine.filters import Filters
    from container_runtime.network.model import Endpoint

_CONFLICT = "conflicting options: port {} and the container type network mode"


def check(container: Container) -> None:
    """Refuse ports that make no sense, before anything is made; the rest is completed as inspect shows it.

    Raises:
        InvalidParameter: see ``bindings``; or the container has another one's network, whose ports are that one's.
    """
    asked = container.body.get("ExposedPorts") or {}
    for name in asked:
        bindings.parse_port(name)
    bindings.parse_bindings(_bindings(container))
    if container.network_mode.startswith("container:"):
        if _bindings(container) or container.host.get("PublishAllPorts"):
            raise InvalidParameter(_CONFLICT.format("publishing"))
        if asked:
            raise InvalidParameter(_CONFLICT.format("exposing"))
    container.host["PortBindings"] = {
        name: [{"HostIp": "", "HostPort": "", **(entry or {})} for entry in entries or []]
        for name, entries in _bindings(container).items()
    }
    container.host.setdefault("PublishAllPorts", False)


def warnings(container: Container) -> list[str]:
    """What a client should know about its request: bindings that will not be served."""
    if not _bindings(container):
        return []
    if container.network_mode == "host":
        return ["Published ports are discarded when using host network mode"]
    known = _exposed(container)
    lost = [name for name in _bindings(container) if bindings.parse_port(name) not in known]
    return [f"PortBindings without ExposedPorts are not published, as with Docker: {', '.join(lost)}"] if lost else []


def exposed_names(container: Container) -> dict[str, Any]:
    """ExposedPorts of image and request, as inspect shows them."""
    return {**(container.image.config.get("ExposedPorts") or {}), **(container.body.get("ExposedPorts") or {})}


def _bindings(container: Container) -> dict[str, Any]:
    return container.host.get("PortBindings") or {}


def _exposed(container: Container) -> list[Port]:
    return bindings.exposed(exposed_names(container))


def _wanted(container: Container) -> list[Wanted]:
    """What is to be published: bindings of exposed ports, and with ``-P`` all others that are exposed."""
    known = _exposed(container)
    asked = [one for one in bindings.parse_bindings(_bindings(container)) if one.port in known]
    if container.host.get("PublishAllPorts"):
        bound = {one.port for one in asked}
        asked += [Wanted(port, ANYWHERE, 0, 0) for port in known if port not in bound]
    return asked


def _outward(container: Container) -> Endpoint | None:
    """Its place in the first network that is not internal: nothing is published into those."""
    if container.network_mode in NETWORKLESS:
        return None
    return next((endpoint for network, endpoint in container.endpoints.values() if not network.internal), None)


def open_ports(engine: Engine, container: Container) -> None:
    """Listen for its ports, if it is in a network where they can be reached, and does not yet; else stop.

    Raises:
        EngineError: one cannot be had, in Docker's words.
    """
    endpoint = _outward(container)
    if endpoint is None:
        stop(engine, container)
        return
    if container.published is not None:
        return

    def address() -> str:
        place = _outward(container)
        return place.address if place is not None else ""

    try:
        engine.networks.publisher.open(container.id, _wanted(container), address)
    except EngineError as error:
        raise EngineError(
            "failed to set up container networking: driver failed programming external connectivity on endpoint "
            f"{container.name} ({endpoint.id}): {error}"
        ) from None
    container.published = engine.networks.publisher.ports(container.id)


def stop(engine: Engine, container: Container) -> None:
    """Listen no more; the numbers stay its own."""
    engine.networks.publisher.stop(container.id)
    container.published = None


def ports(container: Container) -> dict[str, list[dict[str, str]] | None]:
    """NetworkSettings.Ports: null for what is exposed only; nothing while it does not run."""
    if container.published is None:
        return {}
    found: dict[str, list[dict[str, str]] | None] = {str(port): None for port in _exposed(container)}
    for published in container.published:
        places = found.get(str(published.port)) or []
        places.append({"HostIp": published.address, "HostPort": str(published.number)})
        found[str(published.port)] = places
    return found


def summary(container: Container) -> list[dict[str, Any]]:
    """Ports in a row of ``GET /containers/json``."""
    rows: list[dict[str, Any]] = []
    for name, places in ports(container).items():
        number, _, protocol = name.partition("/")
        for place in places or [None]:
            row: dict[str, Any] = {"PrivatePort": int(number), "Type": protocol}
            if place is not None:
                row = {"IP": place["HostIp"], "PublicPort": int(place["HostPort"]), **row}
            rows.append(row)
    return rows


def check_filters(wanted: Filters) -> None:
    """Refuse values of the filters ``publish`` and ``expose`` that are no ports: ``8080`` or ``80-90/udp`` is expected.

    Raises:
        InvalidParameter: one is none.
    """
    for name in ("publish", "expose"):
        _ranges(wanted.get(name), name)


def matches(container: Container, wanted: Filters) -> bool:
    """Docker's filters ``publish`` (ports of the machine) and ``expose`` (of the container), as they are now."""
    for name, key in (("publish", "PublicPort"), ("expose", "PrivatePort")):
        ranges = _ranges(wanted.get(name), name)
        found = [(row[key], row["Type"]) for row in summary(container) if key in row]
        if ranges and not any(
            first <= number <= last and kind == protocol for first, last, kind in ranges for number, protocol in found
        ):
            return False
    return True


def _ranges(wanted: list[str] | None, name: str) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    for text in wanted or []:
        words, _, protocol = text.partition("/")
        try:
            found.append((*bindings.parse_range(words), protocol.lower() or "tcp"))
        except InvalidParameter as error:
            raise InvalidParameter(f"error while looking up for {name} {text}: {error}") from None
    return found
