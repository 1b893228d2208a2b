"""Networks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_containers.client.http import segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.http import Transport
    from pytest_containers.client.request_types import EndpointConfig, NetworkBody
    from pytest_containers.client.types import NetworkDetails, Pruned


class Networks:
    """``client.networks``; ``name`` may everywhere be a name, an id or the beginning of one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, body: NetworkBody) -> str:
        """Create a network and return its id."""
        return self._transport.request("POST", "/networks/create", body=body).json()["Id"]

    def list(self, *, filters: Mapping[str, list[str]] | None = None) -> list[NetworkDetails]:
        """Return all networks."""
        query = {"filters": json.dumps(dict(filters)) if filters else None}
        return self._transport.request("GET", "/networks", query=query).json()

    def inspect(self, name: str) -> NetworkDetails:
        """Return all about one network."""
        return self._transport.request("GET", f"/networks/{segment(name)}").json()

    def remove(self, name: str) -> None:
        """Remove it; ConflictError while containers are connected."""
        self._transport.request("DELETE", f"/networks/{segment(name)}")

    def connect(self, name: str, container: str, endpoint: EndpointConfig | None = None) -> None:
        """Connect a container."""
        body = {"Container": container, "EndpointConfig": endpoint or {}}
        self._transport.request("POST", f"/networks/{segment(name)}/connect", body=body)

    def disconnect(self, name: str, container: str, *, force: bool = False) -> None:
        """Disconnect a container."""
        body = {"Container": container, "Force": force}
        self._transport.request("POST", f"/networks/{segment(name)}/disconnect", body=body)

    def prune(self, filters: Mapping[str, list[str]] | None = None) -> Pruned:
        """Remove all networks that no container is in."""
        query = {"filters": json.dumps(dict(filters)) if filters else None}
        return self._transport.request("POST", "/networks/prune", query=query).json()
