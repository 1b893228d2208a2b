"""Networks: requests and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from container_runtime.api.params import ENDPOINT, check
from container_runtime.engine import filters, sandboxes
from container_runtime.engine.events import announce
from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from container_runtime.api.server import Request
    from container_runtime.engine.core import Engine
    from container_runtime.network.model import Network

_CREATE = {"Name": "a string", "Driver": "a string", "Internal": "true or false", "Labels": "a map of strings",
           "Options": "a map of strings", "IPAM": "an object"}  # fmt: skip


def _details(engine: Engine, network: Network) -> dict[str, Any]:
    pools = [{"Subnet": network.subnet, "Gateway": network.gateway}] if network.subnet else []
    containers = {
        key: {
            "Name": engine.containers[key].name if key in engine.containers else "",
            "EndpointID": endpoint.id,
            "MacAddress": endpoint.mac,
            "IPv4Address": f"{endpoint.address}/{endpoint.prefix}",
            "IPv6Address": "",
        }
        for key, endpoint in network.endpoints.items()
    }
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": pools},
        "Internal": network.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": containers,
        "Options": network.options,
        "Labels": network.labels,
    }


async def list_all(request: Request) -> None:
    """GET /networks."""
    wanted = filters.parse(request.query.get("filters"), ("id", "name", "label", "driver", "type", "scope", "dangling"))
    kinds = {"bridge": "builtin", "host": "builtin", "none": "builtin"}
    found = [
        _details(request.engine, network)
        for network in request.engine.networks.list()
        if filters.any_prefix(wanted.get("id"), network.id)
        and filters.any_pattern(wanted.get("name"), (network.name,))
        and filters.any_equal(wanted.get("driver"), network.driver)
        and filters.any_equal(wanted.get("type"), kinds.get(network.name, "custom"))
        and filters.labels_match(wanted.get("label", ()), network.labels)
    ]
    await request.answer(200, found)


async def create(request: Request) -> None:
    """POST /networks/create."""
    body = check(await request.json(), _CREATE)
    if not body.get("Name"):
        raise InvalidParameter("Name: a name is expected")
    pools: Any = (body.get("IPAM") or {}).get("Config") or []
    if not isinstance(pools, list) or len(pools) > 1 or not all(isinstance(pool, dict) for pool in pools):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        raise InvalidParameter("IPAM.Config: a list of one object is expected")
    pool: dict[str, Any] = (
        check(pools[0], {"Subnet": "a string", "Gateway": "a string"}, "IPAM.Config.") if pools else {}
    )
    network = request.engine.networks.create(
        body["Name"],
        driver=body.get("Driver") or "bridge",
        internal=bool(body.get("Internal")),
        subnet=pool.get("Subnet") or None,
        gateway=pool.get("Gateway") or None,
        labels=body.get("Labels"),
        options=body.get("Options"),
    )
    announce.network(request.engine, "create", network)
    await request.answer(201, {"Id": network.id, "Warning": ""})


async def inspect(request: Request) -> None:
    """GET /networks/{id}."""
    await request.answer(200, _details(request.engine, request.engine.networks.get(request.parameters["id"])))


async def remove(request: Request) -> None:
    """DELETE /networks/{id}."""
    network = request.engine.networks.get(request.parameters["id"])
    request.engine.networks.remove(network.id)
    announce.network(request.engine, "destroy", network)
    await request.answer(204)


async def connect(request: Request) -> None:
    """POST /networks/{id}/connect."""
    body = check(await request.json(), {"Container": "a string", "EndpointConfig": "an object"})
    network = request.engine.networks.get(request.parameters["id"])
    if not body.get("Container"):
        raise InvalidParameter("Container: a name or id is expected")
    container = request.engine.find(body["Container"])
    container.check("connect")
    asked = check(body.get("EndpointConfig") or {}, ENDPOINT, "EndpointConfig.")
    sandboxes.connect(request.engine, container, network, asked)
    if container.pid:
        announce.network(request.engine, "connect", network, container.id)
    await request.answer(200)


async def disconnect(request: Request) -> None:
    """POST /networks/{id}/disconnect."""
    body = check(await request.json(), {"Container": "a string", "Force": "true or false"})
    network = request.engine.networks.get(request.parameters["id"])
    container = request.engine.find(body.get("Container") or "")
    sandboxes.disconnect(request.engine, container, network)
    if container.pid:
        announce.network(request.engine, "disconnect", network, container.id)
    await request.answer(200)
