"""Where a container is: for the test process, and for other containers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pytest_containers.errors import ContainerError, translated
from pytest_containers.handle.base import Handle

if TYPE_CHECKING:
    from pytest_containers.client.types import ContainerDetails, Endpoint, Forward


class Addresses(Handle):
    """``host``, ``port`` and ``url`` serve the test process, ``address`` serves other containers."""

    @functools.cached_property
    def _details(self) -> ContainerDetails:
        """Its addresses, which hold until it is stopped."""
        return self.inspect()

    def _forget_addresses(self) -> None:
        self.__dict__.pop("_details", None)

    @property
    def own_address(self) -> bool:
        """Whether the test process reaches it at an address of its own, and not through published ports."""
        return self._engine.own_addresses

    @property
    def _endpoint(self) -> Endpoint:
        __tracebackhide__ = True
        networks = self._details.get("NetworkSettings", {}).get("Networks") or {}
        endpoint = next((each for each in networks.values() if each.get("IPAddress")), None)
        if endpoint is None:
            self._forget_addresses()
            raise ContainerError(f"container {self._what} has no address: is it running, and in a network?")
        return endpoint

    @property
    def host(self) -> str:
        """The address at which the test process reaches it."""
        __tracebackhide__ = True
        if self._spec.network_name == "host":
            return "127.0.0.1" if self._engine.own_addresses else self._engine.published_host
        if not self._engine.own_addresses:
            return self._engine.published_host
        if self._engine.forwards:
            return self._forward(0)["Host"]
        return self._endpoint.get("IPAddress", "")

    def port(self, number: int) -> int:
        """The port at ``host`` that leads to the container's port ``number``."""
        __tracebackhide__ = True
        if self._engine.forwards and self._spec.network_name != "host":
            return self._forward(number)["Port"]
        if self._engine.own_addresses or self._spec.network_name == "host":
            return number
        ports = self._details.get("NetworkSettings", {}).get("Ports") or {}
        bindings = ports.get(f"{number}/tcp") or []
        if not bindings:
            self._forget_addresses()
            raise ContainerError(
                f"port {number} of container {self._what} is not published by this engine: name it in ports=[{number}]"
            )
        # Docker publishes at an IPv4 and an IPv6 address, and their numbers may differ.
        wanted = ":" in self.host
        binding = next((each for each in bindings if (":" in each.get("HostIp", "")) == wanted), bindings[0])
        return int(binding["HostPort"])

    def listens(self, number: int) -> bool | None:
        """Whether something inside takes connections at a port; None where the test process can see that itself."""
        __tracebackhide__ = True
        if not self._engine.forwards or self._spec.network_name == "host":
            return None
        with translated(f"cannot reach port {number} of container {self._what}"):
            return self._client.containers.forward(self.id, number, probe=True)["Open"]

    def _forward(self, number: int) -> Forward:
        __tracebackhide__ = True
        with translated(f"cannot reach port {number} of container {self._what}"):
            return self._client.containers.forward(self.id, number)

    def url(self, port: int = 80, scheme: str = "http") -> str:
        """``scheme://host:port`` for the test process; ``port`` is the container's own."""
        __tracebackhide__ = True
        host = self.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port(port)}"

    def address(self, port: int) -> str:
        """``host:port`` for other containers of its network."""
        __tracebackhide__ = True
        return f"{self._endpoint.get('IPAddress', '')}:{port}"
