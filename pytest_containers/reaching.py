"""Where the test process finds the ports that an engine publishes: on its machine, which need not be this one."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_containers.client import Client
    from pytest_containers.client.address import Address

LOOPBACK = "127.0.0.1"
# What Docker and Podman put into each container.
DOCKERENV, CONTAINERENV = Path("/.dockerenv"), Path("/run/.containerenv")
ROUTES = Path("/proc/net/route")
PODMAN_HOST = "host.containers.internal"
"""Podman's name of the machine, in /etc/hosts of each container."""


def published_host(address: Address, client: Callable[[], Client]) -> str:
    """The engine's machine, as this process reaches it."""
    if address.ssh:
        from pytest_containers.client.ssh import host_name

        return _plain(host_name(address))
    if address.host:
        return _plain(address.host)
    return _machine_around(client) or LOOPBACK


def _plain(host: str) -> str:
    """Engines publish at IPv4 addresses always, and ``localhost`` may be an IPv6 one."""
    return LOOPBACK if host == "localhost" else host


def _machine_around(client: Callable[[], Client]) -> str:
    """The machine whose engine's socket was passed into the container that we are in; empty where we are in none.

    Its address is the gateway of our network, where that is a network of this engine. A container with the machine's
    own network, or of somebody else's engine, has another gateway.
    """
    if not DOCKERENV.exists() and not CONTAINERENV.exists():
        return ""
    gateway = _gateway()
    if gateway and gateway in _gateways(client()):
        return gateway
    return PODMAN_HOST if CONTAINERENV.exists() and _resolves(PODMAN_HOST) else ""


def _gateway() -> str:
    """The gateway of the default route: destination 0, addresses as the machine's own words (proc_net(5))."""
    try:
        rows = [line.split() for line in ROUTES.read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return ""
    found = next((row[2] for row in rows if len(row) > 2 and row[1] == "00000000" and row[2] != "00000000"), "")
    return socket.inet_ntoa(bytes.fromhex(found)[::-1]) if found else ""


def _gateways(client: Client) -> set[str]:
    from pytest_containers.client.errors import ClientError

    try:
        networks = client.networks.list()
    except ClientError:
        return set()
    configs = [one for each in networks for one in (each.get("IPAM") or {}).get("Config") or []]
    return {config.get("Gateway", "") for config in configs}


def _resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True
