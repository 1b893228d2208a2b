"""A container's network namespace, made before the container and kept over its stops and starts."""

from __future__ import annotations

import os

from container_runtime.kernel import namespaces, rtnetlink


class Sandbox:
    """One namespace: ``descriptor`` keeps it, ``path`` names it for config.json while the engine lives."""

    def __init__(self, container_id: str) -> None:
        """Make it, with ``lo`` up.

        Raises:
            KernelError: no right to.
        """
        self.container_id = container_id
        with namespaces.new_network() as descriptor:
            self.descriptor = descriptor
            self._netlink = rtnetlink.Netlink()
            self._netlink.send(rtnetlink.up(1))
        self.path = f"/proc/{os.getpid()}/fd/{self.descriptor}"
        self.interfaces = 0
        self._has_default_route = False

    def configure(self, interface: str, address: str, prefix: int, gateway: str) -> None:
        """Address and link of an interface that has arrived, and the default route where there is none yet."""
        with namespaces.inside(self.descriptor):
            index = rtnetlink.index_of(interface)
        requests = [rtnetlink.address(index, address, prefix), rtnetlink.up(index)]
        if gateway and not self._has_default_route:
            requests.append(rtnetlink.route(gateway=gateway, index=index))
            self._has_default_route = True
        self._netlink.send(*requests)

    def close(self) -> None:
        """Let go of it: the kernel ends it, with its end of every veth pair, when its processes have gone too."""
        self._netlink.close()
        os.close(self.descriptor)
