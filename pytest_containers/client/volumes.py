"""Volumes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_containers.client.http import segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.http import Transport
    from pytest_containers.client.request_types import VolumeBody
    from pytest_containers.client.types import Pruned, VolumeDetails


class Volumes:
    """``client.volumes``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, body: VolumeBody) -> VolumeDetails:
        """Create a volume, or return the one that has the name already; without a name it is anonymous."""
        return self._transport.request("POST", "/volumes/create", body=body).json()

    def list(self, *, filters: Mapping[str, list[str]] | None = None) -> list[VolumeDetails]:
        """Return all volumes."""
        query = {"filters": json.dumps(dict(filters)) if filters else None}
        return self._transport.request("GET", "/volumes", query=query).json()["Volumes"] or []

    def inspect(self, name: str) -> VolumeDetails:
        """Return all about one volume."""
        return self._transport.request("GET", f"/volumes/{segment(name)}").json()

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove it with what is in it; ConflictError while a container has it. ``force``: it may be gone already."""
        self._transport.request("DELETE", f"/volumes/{segment(name)}", query={"force": force})

    def prune(self, filters: Mapping[str, list[str]] | None = None) -> Pruned:
        """Remove volumes that no container has: the anonymous ones, or with the filter ``all`` all of them."""
        query = {"filters": json.dumps(dict(filters)) if filters else None}
        return self._transport.request("POST", "/volumes/prune", query=query).json()
