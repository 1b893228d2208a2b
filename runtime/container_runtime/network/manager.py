"""The networks of one engine: made, found, removed; containers connected to them."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from container_runtime.errors import Conflict, Forbidden, InvalidParameter, NotFound
from container_runtime.network import egress_datagrams, pools, tap
from container_runtime.network.backbone import Backbone
from container_runtime.network.dns import NameServer
from container_runtime.network.egress import Egress
from container_runtime.network.forwards import Forwards
from container_runtime.network.model import Endpoint, Network
from container_runtime.network.publisher import Publisher
from container_runtime.network.sandbox import Sandbox
from container_runtime.network.spare import SpareSandbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}
_ID_LENGTH = 64
_SHORTEST_PREFIX = 4
_BATCH = 64  # namespaces that end together
_QUIET = 1.0  # seconds without a removal, after which those that wait end


def _now() -> str:
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"


class NetworkManager:
    """All networks of an engine. Made by ``start``; its methods block for a millisecond or two at most."""

    def __init__(self, pool: str = pools.DEFAULT_POOL) -> None:
        """Make the engine's namespace and the predefined networks; ``pool`` is the subnet that addresses come from.

        Raises:
            EngineError: the way to the outside that was asked for (``tap``) is not there.
        """
        way = tap.wanted()
        self.backbone = Backbone(pools.parse_subnet(pool))
        self.sandboxes: dict[str, Sandbox] = {}
        self._networks: dict[str, Network] = {}
        self._subnets: dict[str, pools.Subnet] = {}
        self._bridges: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._count = 0
        self._attached = 0
        self._outer: dict[int, str] = {}
        self._dead: list[Sandbox] = []
        self._burial: asyncio.TimerHandle | None = None
        self._spare = SpareSandbox(self._wire_spare, self._bury)
        self._servers: dict[str, NameServer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._egress = Egress(self.backbone, self._may_leave, machine_only=way != tap.RELAY)
        self._datagrams = egress_datagrams.start(self.backbone, self._may_leave, machine_only=way != tap.RELAY)
        self.publisher = Publisher(self.backbone)
        self.forwards = Forwards(self.backbone, self.publisher.everywhere) if self.backbone.outer >= 0 else None
        """None where the machine reaches containers by their addresses."""
        for name, driver in _PREDEFINED.items():
            self._add(Network(os.urandom(32).hex(), name, driver, _now()), pools.DEFAULT_NETWORK_PREFIX)

    @classmethod
    async def start(cls, run_directory: object = None, pool: str | None = None) -> NetworkManager:
        """A manager on the running loop."""
        del run_directory  # nothing of a network is on disk
        return cls(pool or pools.DEFAULT_POOL)

    # --- networks ------------------------------------------------------------------------------------------------

    def list(self) -> list[Network]:
        """All networks, oldest first."""
        return [*self._networks.values()]

    def get(self, reference: str) -> Network:
        """By name, id, or the beginning of an id that only one has.

        Raises:
            NotFound: there is none.
            InvalidParameter: several begin like this.
        """
        for network in self._networks.values():
            if reference in {network.name, network.id}:
                return network
        found = [network for key, network in self._networks.items() if key.startswith(reference)]
        if len(reference) >= _SHORTEST_PREFIX and len(found) == 1:
            return found[0]
        if len(found) > 1 and len(reference) >= _SHORTEST_PREFIX:
            raise InvalidParameter(f"network {reference} is ambiguous: {len(found)} ids begin with it")
        raise NotFound(f"network {reference} not found")

    def create(
        self,
        name: str,
        *,
        driver: str = "bridge",
        internal: bool = False,
        subnet: str | None = None,
        gateway: str | None = None,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Network:
        """Make a bridge network.

        Raises:
            Conflict: the name is taken.
            Forbidden: it is a predefined one, or the subnet overlaps something.
            InvalidParameter: another driver, or a subnet that is wrong.
        """
        if any(network.name == name for network in self._networks.values()):
            if name in _PREDEFINED:
                raise Forbidden(f"operation is not permitted on predefined {name} network")
            raise Conflict(f"network with name {name} already exists")
        if driver not in {"", "bridge", "default"}:
            raise InvalidParameter(f"Driver: {driver!r} is not here; networks are of the driver bridge")
        network = Network(
            os.urandom(32).hex(),
            name,
            "bridge",
            _now(),
            internal,
            labels=dict(labels or {}),
            options=dict(options or {}),
        )
        wanted = pools.parse_subnet(subnet) if subnet else None
        if gateway:
            pools.check_gateway(wanted, gateway)
            network.gateway = gateway
        self._add(network, pools.NETWORK_PREFIX, wanted)
        return network

    def _add(self, network: Network, prefix: int, wanted: pools.Subnet | None = None) -> None:
        if network.driver == "bridge":
            subnet = self._choose(prefix) if wanted is None else self._check(wanted)
            self._count += 1
            bridge = f"br{self._count}"
            network.subnet, network.gateway = str(subnet), network.gateway or subnet.address(1)
            self._bridges[network.id] = self.backbone.add_bridge(
                bridge, subnet, network.gateway, self._count, internal=network.internal
            )
            self._subnets[network.id] = subnet
            self._servers[network.id] = NameServer(
                self.backbone, network, self.host_address(network), self._networks_of
            )
        self._networks[network.id] = network

    def _networks_of(self, container_id: str) -> list[Network]:
        return [network for network in self._networks.values() if container_id in network.endpoints]

    def _choose(self, prefix: int) -> pools.Subnet:
        while True:
            taken = [*self._subnets.values(), self.backbone.uplink]
            subnet = pools.choose_subnet(self.backbone.blocks, taken, prefix)
            if subnet is not None:
                return subnet
            self.backbone.claim()

    def _check(self, wanted: pools.Subnet) -> pools.Subnet:
        inside = any(block.covers(wanted) for block in self.backbone.blocks)
        for other in [*self._subnets.values(), self.backbone.uplink]:
            if wanted.overlaps(other):
                raise Forbidden(f"Pool overlaps with other one on this address space: {wanted} and {other}")
        if not inside:
            for other in self.backbone.machine_networks():
                if wanted.overlaps(other):
                    raise Forbidden(
                        f"Pool overlaps with other one on this address space: {wanted} and a route to {other}"
                    )
            self.backbone.claim_subnet(wanted)
        return wanted

    def remove(self, reference: str) -> None:
        """Remove a network.

        Raises:
            Forbidden: it is predefined, or containers are connected to it.
        """
        network = self.get(reference)
        if network.name in _PREDEFINED:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        if network.endpoints:
            raise Forbidden(f"error while removing network: network {network.name} has active endpoints")
        self._spare.forget(network)
        del self._networks[network.id]
        self._servers.pop(network.id).close()
        bridge, subnet = self._bridges.pop(network.id), self._subnets.pop(network.id)
        self.backbone.clear_bridge(bridge, subnet, network.gateway)
        if not any(block.covers(subnet) for block in self.backbone.blocks):
            self.backbone.release_subnet(subnet)
        self._behind(asyncio.to_thread(self.backbone.remove_bridge, bridge))

    # --- containers ----------------------------------------------------------------------------------------------

    def open_sandbox(self, container_id: str) -> Sandbox:
        """The namespace of a container: made at the first call, the same at every other."""
        if container_id not in self.sandboxes:
            self.sandboxes[container_id] = Sandbox(container_id)
        return self.sandboxes[container_id]

    def take_sandbox(self, container_id: str, first: Network | None) -> None:
        """The same for a new container that will be connected to ``first`` next, or to nothing: one in waiting is used.

        Any address and hardware address must do; whoever asks for particular ones calls ``open_sandbox``.
        """
        bridged = first is None or first.driver == "bridge"
        spare = self._spare.take(first) if bridged else None
        if spare is not None:
            spare.container_id = container_id
            self.sandboxes[container_id] = spare
        else:
            self.open_sandbox(container_id)

    def prepare_sandbox(self) -> None:
        """To be called after a start: the next container's namespace can be made."""
        self._spare.prepare_soon()

    def _wire_spare(self, network: Network | None) -> Sandbox:
        sandbox = Sandbox("")
        if network is None:
            return sandbox
        try:
            sandbox.ready = self._wire(sandbox, network, None, None)
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def close_sandbox(self, container_id: str) -> None:
        """Let go of the container's namespace and of its endpoints."""
        for network in self._networks.values():
            network.endpoints.pop(container_id, None)
        sandbox = self.sandboxes.pop(container_id, None)
        if sandbox is not None:
            self._bury(sandbox)

    def _bury(self, sandbox: Sandbox) -> None:
        """Let go of a namespace, together with others.

        The kernel ends namespaces in the background, but while it does, for some 20 ms however many they are, it
        holds the lock that the next container's interface needs (rtnl_lock in cleanup_net). So they go in batches,
        or when nothing has happened for a while.
        """
        self._dead.append(sandbox)
        if self._burial is not None:
            self._burial.cancel()
        self._burial = None
        if len(self._dead) >= _BATCH:
            self._bury_all()
        else:
            self._burial = asyncio.get_running_loop().call_later(_QUIET, self._bury_all)

    def _bury_all(self) -> None:
        while self._dead:
            self._dead.pop().close()

    def connect(
        self,
        sandbox: Sandbox,
        network: Network,
        *,
        names: list[str],
        address: str | None = None,
        mac: str | None = None,
    ) -> Endpoint:
        """Give a container an interface in a network.

        Raises:
            Conflict: it has one already, or the address is in use.
            InvalidParameter: the address is not of the network.
        """
        if sandbox.container_id in network.endpoints:
            raise Forbidden(
                f"endpoint for container {sandbox.container_id[:12]} already exists in network {network.name}"
            )
        endpoint, sandbox.ready = sandbox.ready, None
        if endpoint is None:
            endpoint = self._wire(sandbox, network, address, mac)
        endpoint.container_id, endpoint.names = sandbox.container_id, list(names)
        network.endpoints[sandbox.container_id] = endpoint
        return endpoint

    def _wire(self, sandbox: Sandbox, network: Network, address: str | None, mac: str | None) -> Endpoint:
        """An interface between a namespace and a bridge."""
        subnet = self._subnets[network.id]
        number = self._address(network, subnet, address)
        text = pools.dotted(number)
        hardware = pools.parse_mac(mac) if mac else pools.mac_of(text)
        interface = f"eth{sandbox.interfaces}"
        outer = self._outer_name(number)
        self.backbone.attach(outer, interface, sandbox.descriptor, self._bridges[network.id], hardware)
        sandbox.configure(interface, text, subnet.prefix, "" if network.internal else network.gateway)
        sandbox.interfaces += 1
        identity, mac = os.urandom(32).hex(), hardware.hex(":")
        return Endpoint(identity, "", network.id, text, subnet.prefix, network.gateway, mac, [], interface)

    def _outer_name(self, address: int) -> str:
        """A name for the bridge's end of a container's veth pair, never used before.

        Whoever had the address before may still be there for a while (``_bury``, ``disconnect``), and its kernel would
        go on to answer for the address, so it is cut off.
        """
        before = self._outer.get(address)
        if before is not None:
            self.backbone.silence(before)
        self._attached += 1
        self._outer[address] = f"v{self._attached:x}"
        return self._outer[address]

    def _address(self, network: Network, subnet: pools.Subnet, wanted: str | None) -> int:
        taken = {pools.number_of(endpoint.address) for endpoint in network.endpoints.values()}
        taken.add(pools.number_of(network.gateway))
        spare = self._spare.address_in(network)
        if spare and (spare == wanted or len(taken) + 4 >= subnet.size):  # it gives way to whoever has need of it
            self._spare.discard()
        elif spare:
            taken.add(pools.number_of(spare))
        if wanted is None:
            number = pools.choose_address(subnet, taken, self._last.get(network.id, 0))
            self._last[network.id] = number
            return number
        number = pools.number_of(wanted, "IPv4Address")
        if not subnet.contains(number) or number - subnet.base in {0, subnet.size - 1}:
            raise InvalidParameter(f"IPv4Address: {wanted} is not an address for containers in {subnet}")
        if number in taken:
            raise Forbidden(f"Address already in use: {wanted} in network {network.name}")
        return number

    def disconnect(self, container_id: str, network: Network) -> None:
        """Take the container's interface in a network away.

        Raises:
            NotFound: it has none.
        """
        endpoint = network.endpoints.pop(container_id, None)
        if endpoint is None:
            raise NotFound(f"container {container_id[:12]} is not connected to network {network.name}")
        if container_id in self.sandboxes:
            self.sandboxes[container_id].forget(endpoint.interface)
        outer = self._outer[pools.number_of(endpoint.address)]
        self._behind(asyncio.to_thread(self.backbone.detach, outer))

    def host_address(self, network: Network) -> str:
        """Where a container of the network finds the machine: host.docker.internal."""
        return self.backbone.machine_address if network.driver == "bridge" else "127.0.0.1"

    def nameserver(self, network: Network) -> str:
        """What belongs into resolv.conf: the gateway, where the names of this network are answered."""
        return network.gateway

    def _may_leave(self, source: str, destination: str) -> bool:
        """Not from an internal network, and not to another network by way of the machine."""
        number = pools.number_of(destination)
        if self.backbone.pool.contains(number) or any(subnet.contains(number) for subnet in self._subnets.values()):
            return False
        origin = pools.number_of(source)
        return any(
            subnet.contains(origin) and not self._networks[key].internal for key, subnet in self._subnets.items()
        )

    # --- the end -------------------------------------------------------------------------------------------------

    def _behind(self, work: Any) -> None:
        """Run what nobody waits for; ``close`` does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give everything back."""
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers.values():
            server.close()
        self._egress.close()
        self.publisher.close()
        if self._datagrams is not None:
            self._datagrams.close()
        if self.forwards is not None:
            self.forwards.close()
        self._spare.discard()
        for container_id in [*self.sandboxes]:
            self.close_sandbox(container_id)
        if self._burial is not None:
            self._burial.cancel()
        self._bury_all()
        await asyncio.to_thread(self.backbone.close)
