"""A container's network namespace, made before the container and kept over its stops and starts."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from container_runtime.errors import KernelError
from container_runtime.kernel import namespaces, rtnetlink

if TYPE_CHECKING:
    from container_runtime.network.model import Endpoint


_SYSCTL = Path("/proc/sys/net/ipv4")  # proc_sys(5): it shows the settings of the opener's namespace
# Docker's defaults for containers with a network of their own (moby, daemon/oci_linux.go): whoever is in it may
# listen at any port, and ping.
_SETTINGS = (("ip_unprivileged_port_start", "0"), ("ping_group_range", "0 2147483647"))


def _new_network() -> rtnetlink.Netlink:
    for name, value in _SETTINGS:
        with suppress(OSError):  # groups that a user namespace has not got (EINVAL); a /proc/sys that is read-only
            (_SYSCTL / name).write_text(value)
    return rtnetlink.Netlink()


class Sandbox:
    """One namespace: ``descriptor`` keeps it, ``path`` names it for config.json while the engine lives."""

    def __init__(self, container_id: str) -> None:
        """Make it, with ``lo`` up.

        Raises:
            KernelError: no right to.
        """
        self.container_id = container_id
        self.descriptor, self._netlink = namespaces.new_network(_new_network)
        self._netlink.send(rtnetlink.up(1))
        self.path = f"/proc/{os.getpid()}/fd/{self.descriptor}"
        self.interfaces = 0
        self.ready: Endpoint | None = None
        """The endpoint that it was wired with before it had a container (``spare``)."""
        self._gateways: dict[str, str] = {}  # by interface; the default route is the first one's

    def configure(self, interface: str, address: str, prefix: int, gateway: str) -> None:
        """Address and link of an interface that has arrived, and the default route where there is none yet."""
        index = namespaces.inside(self.descriptor, lambda: rtnetlink.index_of(interface))
        requests = [rtnetlink.address(index, address, prefix), rtnetlink.up(index)]
        if gateway and not self._gateways:
            requests.append(rtnetlink.route(gateway=gateway, index=index))
        self._netlink.send(*requests)
        if gateway:
            self._gateways[interface] = gateway

    def forget(self, interface: str) -> None:
        """An interface is about to go: if it has the default route, the next one gets it."""
        had_it = next(iter(self._gateways), "") == interface
        gateway = self._gateways.pop(interface, "")
        if not had_it:
            return
        with suppress(KernelError):  # the container may have changed its routes and interfaces itself
            self._netlink.send(rtnetlink.removed(self._default(interface, gateway)))
        for other, its_gateway in self._gateways.items():
            with suppress(KernelError):
                self._netlink.send(self._default(other, its_gateway))
            return

    def _default(self, interface: str, gateway: str) -> rtnetlink.Request:
        index = namespaces.inside(self.descriptor, lambda: rtnetlink.index_of(interface))
        return rtnetlink.route(gateway=gateway, index=index)

    def close(self) -> None:
        """Let go of it: the kernel ends it, with its end of every veth pair, when its processes have gone too."""
        self._netlink.close()
        os.close(self.descriptor)
