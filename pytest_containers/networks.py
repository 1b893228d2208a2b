"""The network that a test holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.client.errors import NotFoundError
from pytest_containers.errors import translated

if TYPE_CHECKING:
    from pytest_containers.client import Client


class Network:
    """A private network: its containers reach each other by name and alias, and none of another network."""

    def __init__(self, client: Client, network_id: str, name: str) -> None:
        self._client = client
        self.id = network_id
        self.name = name
        self.shared = False
        """Whether all workers of the run have the same one."""

    def __repr__(self) -> str:
        return f"<Network {self.name} {self.id[:12]}>"

    def remove(self) -> None:
        """Remove it; one that is gone is no error."""
        __tracebackhide__ = True
        with translated(f"cannot remove network {self.name}"):
            try:
                self._client.networks.remove(self.id)
            except NotFoundError:
                return
