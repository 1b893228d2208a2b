"""The one network namespace that holds all bridges of an engine, and the veth pair that ties it to the machine.

It has no name: it goes when the engine's descriptors and sockets go, and takes bridges, veth pairs and the routes of
the machine that lead to it along. Nothing of the machine is changed but for those routes.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from container_runtime.errors import EngineError, Forbidden, KernelError
from container_runtime.kernel import namespaces, rtnetlink, userns
from container_runtime.network.pools import Subnet, free_blocks, mac_of

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_EEXIST = 17
_MARKED_TABLE = 999  # those of the bridges follow
_SYSCTL = Path("/proc/sys/net")  # proc_sys(5): it shows the settings of the opener's namespace


class Backbone:
    """The namespace E of docs/architecture.md."""

    def __init__(self, pool: Subnet) -> None:
        """Make it, and claim a first block of the pool.

        Raises:
            KernelError: no right to, or a kernel without bridges or veth.
            EngineError: every block of the pool is in use on this machine.
        """
        self.pool = pool
        self.blocks: list[Subnet] = []
        self.own_address = ""
        self.outer, self._machine = self._machine_side()
        self.namespace, self._inner = namespaces.new_network(_new_inner)
        self.name = f"pc{os.getpid() % 10**6:x}{os.urandom(2).hex()}"
        self._index = self._tie()
        self._tied = True
        self.uplink = self._claim_first()

    def _tie(self) -> int:
        self._machine.send(rtnetlink.veth(self.name, "uplink", self.namespace))
        return self._outside(lambda: rtnetlink.index_of(self.name))

    @staticmethod
    def _machine_side() -> tuple[int, rtnetlink.Netlink]:
        """What the veth pair ties us to: the machine's own namespace (-1), which only root may change.

        An ordinary user gets a stand-in, in which everything is as it would be on the machine, and to whose addresses
        only the engine itself connects (``egress``, ``forwards``).
        """
        if not userns.active():
            return -1, rtnetlink.Netlink()
        descriptor, netlink = namespaces.new_network(rtnetlink.Netlink)
        netlink.send(rtnetlink.up(1))
        return descriptor, netlink

    def _outside(self, function: Callable[[], T]) -> T:
        return function() if self.outer < 0 else namespaces.inside(self.outer, function)

    def _claim_first(self) -> Subnet:
        """The first block; its last four addresses are those of the veth pair: the machine's and ours."""
        block = self.claim()
        pair = _pair_of(block)
        self.machine_address = pair.address(1)
        self._machine.send(rtnetlink.address(self._index, self.machine_address, 30))
        self.uplink_index = namespaces.inside(self.namespace, lambda: rtnetlink.index_of("uplink"))
        self._inner.send(
            rtnetlink.up(self.uplink_index),
            rtnetlink.address(self.uplink_index, self.own_address, 30),
            rtnetlink.route(gateway=self.machine_address, index=self.uplink_index),
        )
        self._route(block)
        return pair

    def claim(self) -> Subnet:
        """Take one more block: the route to it, made exclusively, is the lock, and the kernel's to remove."""
        taken = [Subnet(base, prefix) for base, prefix in self._machine.networks()]
        # Once per engine anywhere, afterwards next to it.
        start = int.from_bytes(os.urandom(2), "big") if not self.blocks else 0
        for block in free_blocks(self.pool, taken, start):
            if self._lock(block):
                self.blocks.append(block)
                if len(self.blocks) > 1:
                    self._route(block)
                return block
        raise EngineError(
            f"no free addresses in {self.pool}: other engines or routes of this machine use all of it; "
            "end them, or choose another pool"
        )

    def claim_subnet(self, subnet: Subnet) -> None:
        """Take a subnet that the user chose; the caller has seen that it overlaps nothing."""
        if not self._lock(subnet):
            raise Forbidden(f"Pool overlaps with other one on this address space: {subnet} and a route to it")

    def release_subnet(self, subnet: Subnet) -> None:
        """Give a subnet of ``claim_subnet`` back."""
        self._machine.send(rtnetlink.removed(self._route_to(subnet)))

    def machine_networks(self) -> list[Subnet]:
        """What the machine has routes to."""
        return [Subnet(base, prefix) for base, prefix in self._machine.networks()]

    def _lock(self, block: Subnet) -> bool:
        if not self.own_address or not self.blocks:
            self.own_address = _pair_of(block).address(2)
        try:
            self._machine.send(self._route_to(block))
        except KernelError as error:
            if error.errno == _EEXIST:
                return False
            raise
        return True

    def _route_to(self, block: Subnet) -> rtnetlink.Request:
        return rtnetlink.route(block.address(0), block.prefix, gateway=self.own_address, index=self._index, onlink=True)

    def _route(self, block: Subnet) -> None:
        """Addresses of the block that no container has are unreachable, instead of going back to the machine."""
        self._inner.send(rtnetlink.route(block.address(0), block.prefix, unreachable=True))

    def add_bridge(self, name: str, subnet: Subnet, gateway: str, number: int, *, internal: bool) -> int:
        """A bridge with the address ``gateway``, whose traffic reaches the machine at most, never another bridge.

        Of an ``internal`` network nothing reaches the machine either, whatever routes a container makes for itself.

        What comes in by it is routed by a table of its own, in which nothing of other bridges is.
        """
        self._inner.send(rtnetlink.bridge(name, mac_of(gateway)))
        index = namespaces.inside(self.namespace, lambda: rtnetlink.index_of(name))
        table = 1000 + number
        requests = [
            rtnetlink.address(index, gateway, subnet.prefix),
            rtnetlink.rule_from_interface(name, table, 100),
            rtnetlink.route(subnet.address(0), subnet.prefix, index=index, table=table),
            rtnetlink.route(self.pool.address(0), self.pool.prefix, table=table, unreachable=True),
        ]
        if internal:
            requests.append(rtnetlink.route(table=table, unreachable=True))
        else:
            requests.append(rtnetlink.route(self.machine_address, 32, index=self.uplink_index, table=table))
            requests.append(rtnetlink.route(gateway=self.machine_address, index=self.uplink_index, table=table))
        self._inner.send(*requests)
        return index

    def take_marked(self, mark: int) -> None:
        """Deliver packets with a mark here (``listen`` with ``outside``), whatever addresses they have."""
        netlink = self._inner if self.outer < 0 else self._machine
        netlink.send(rtnetlink.rule_for_mark(mark, _MARKED_TABLE, 50), rtnetlink.all_local(_MARKED_TABLE))

    def clear_bridge(self, index: int, subnet: Subnet, gateway: str) -> None:
        """Take a bridge's address away, so that another may have the subnet before this one is removed."""
        self._inner.send(rtnetlink.removed(rtnetlink.address(index, gateway, subnet.prefix)))

    def remove_bridge(self, index: int) -> None:
        """Delete a bridge, or a veth pair; blocks for some 20 ms, so threads do it.

        By a socket of its own: two threads that wait at one take each other's answers, and then wait for ever.
        """
        netlink = namespaces.inside(self.namespace, rtnetlink.Netlink)
        try:
            netlink.send(rtnetlink.delete_link(index))
        finally:
            netlink.close()

    def attach(self, name: str, peer: str, namespace: int, bridge: int, mac: bytes) -> None:
        """A veth pair from a bridge into a namespace."""
        self._inner.send(rtnetlink.veth(name, peer, namespace, master=bridge, peer_mac=mac))

    def silence(self, name: str) -> None:
        """Take the bridge's end of a veth pair down, where it is still there."""
        with suppress(OSError, KernelError):
            index = namespaces.inside(self.namespace, lambda: rtnetlink.index_of(name))
            self._inner.send(rtnetlink.down(index))

    def detach(self, name: str) -> None:
        """Delete a veth pair; blocks for some 20 ms, so threads do it."""
        self.remove_bridge(namespaces.inside(self.namespace, lambda: rtnetlink.index_of(name)))

    def make_socket(self, kind: socket.SocketKind, *, outside: bool = False) -> socket.socket:
        """A socket inside; ``outside``: in the stand-in for the machine, where there is one."""
        namespace = self.outer if outside and self.outer >= 0 else self.namespace
        return namespaces.inside(namespace, lambda: socket.socket(socket.AF_INET, kind))

    def listen(self, address: str, port: int, kind: socket.SocketKind, *, outside: bool = False) -> socket.socket:
        """A bound, non-blocking socket, where ``make_socket`` makes it."""
        server = self.make_socket(kind, outside=outside)
        try:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((address, port))
            if kind == socket.SOCK_STREAM:
                server.listen(128)
        except OSError as error:
            server.close()
            raise KernelError("listen on", f"{address}:{port}", error.errno or 1) from None
        server.setblocking(False)
        return server

    def untie(self) -> None:
        """Delete the tie to the machine, for an end that is near; blocks for some 20 ms, in any thread."""
        self._tied = False
        netlink = self._outside(rtnetlink.Netlink)  # its own, since this may be another thread
        try:
            with suppress(KernelError):  # somebody else has deleted it; or it goes with the namespace
                netlink.send(rtnetlink.delete_link(self._index))
        finally:
            netlink.close()

    def close(self) -> None:
        """Let go of the namespace; as ``untie``, where that was not done."""
        if self._tied:
            self.untie()
        for thing in (self._machine, self._inner):
            thing.close()
        os.close(self.namespace)
        if self.outer >= 0:
            os.close(self.outer)


def _new_inner() -> rtnetlink.Netlink:
    netlink = rtnetlink.Netlink()
    netlink.send(rtnetlink.up(1))
    _set_up_forwarding()
    return netlink


def _pair_of(block: Subnet) -> Subnet:
    return Subnet(block.base + block.size - 4, 30)


def _set_up_forwarding() -> None:
    """Forward between the bridges and the machine, in the namespace that the calling thread is in.

    Sources are checked (rp_filter, ip-sysctl.rst): no container has the address of one in another network. And what
    stays within a bridge is not shown to our packet rules, which br_netfilter, where it is loaded, does by default:
    connections between containers would be redirected as if they left.
    """
    for name in ("ip_forward", "conf/all/rp_filter", "conf/default/rp_filter"):
        (_SYSCTL / "ipv4" / name).write_text("1")
    bridges = _SYSCTL / "bridge/bridge-nf-call-iptables"
    if bridges.exists():
        bridges.write_text("0")
