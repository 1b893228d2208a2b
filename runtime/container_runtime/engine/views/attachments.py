"""A container's place in its networks as inspect and list show it.

The fields are those of moby, api/types/network/endpoint.go and api/types/container/network_settings.go (version 28.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from container_runtime.engine import publishing
from container_runtime.engine.container import NETWORKLESS

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.network.model import Endpoint, Network

_ENDPOINT: dict[str, Any] = {
    "IPAMConfig": None, "Links": None, "Aliases": None, "MacAddress": "", "DriverOpts": None, "GwPriority": 0,
    "NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "",
    "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "DNSNames": None,
}  # fmt: skip
_SETTINGS: dict[str, Any] = {
    "Bridge": "", "HairpinMode": False, "LinkLocalIPv6Address": "", "LinkLocalIPv6PrefixLen": 0,
    "SecondaryIPAddresses": None, "SecondaryIPv6Addresses": None,
}  # fmt: skip
_OF_THE_FIRST = (
    "EndpointID", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen", "IPv6Gateway",
    "MacAddress",
)  # fmt: skip


def networks(container: Container) -> dict[str, dict[str, Any]]:
    """Docker's NetworkSettings.Networks, by name."""
    found = {network.name: _endpoint(container, network, end) for network, end in container.endpoints.values()}
    if container.network_mode in NETWORKLESS:
        found[container.network_mode] = dict(_ENDPOINT)
    return found


def settings(container: Container) -> dict[str, Any]:
    """Docker's NetworkSettings."""
    found = networks(container)
    first = next(iter(found.values()), _ENDPOINT)
    return {
        **_SETTINGS,
        "SandboxID": container.id if container.running else "",
        "SandboxKey": "",
        "Ports": publishing.ports(container),
        **{name: first[name] for name in _OF_THE_FIRST},
        "Networks": found,
    }


def _endpoint(container: Container, network: Network, endpoint: Endpoint) -> dict[str, Any]:
    own = (container.name, container.id[:12], container.hostname)
    aliases = [name for name in endpoint.names if name not in own]
    asked: dict[str, Any] = (container.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    config: dict[str, Any] = asked.get(network.name) or asked.get(network.id) or {}
    view: dict[str, Any] = {
        **_ENDPOINT,
        "IPAMConfig": config.get("IPAMConfig") or None,
        "Aliases": aliases or None,
        "NetworkID": network.id,
        "DNSNames": list(dict.fromkeys([container.name, *aliases, *own[1:]])),
    }
    if container.running:  # its address stays its own, but there is nobody at it
        view |= {
            "EndpointID": endpoint.id,
            "IPAddress": endpoint.address,
            "IPPrefixLen": endpoint.prefix,
            "Gateway": endpoint.gateway,
            "MacAddress": endpoint.mac,
        }
    return view
