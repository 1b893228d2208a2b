"""Networks and endpoints as values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Endpoint:
    """One container in one network; its address is its own for as long as it exists."""

    id: str
    container_id: str
    network: str
    address: str
    prefix: int
    gateway: str
    mac: str
    names: list[str]
    interface: str


@dataclass
class Network:
    """A network: "bridge" ones have a bridge in the engine's namespace; "host" and "null" are only names."""

    id: str
    name: str
    driver: str
    created: str
    internal: bool = False
    subnet: str = ""
    gateway: str = ""
    labels: dict[str, str] = field(default_factory=dict[str, str])
    options: dict[str, str] = field(default_factory=dict[str, str])
    endpoints: dict[str, Endpoint] = field(default_factory=dict[str, Endpoint])
