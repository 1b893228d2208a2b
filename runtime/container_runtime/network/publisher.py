"""Published ports: listeners on the machine, for whom a relay makes connections to the container.

Nothing of the machine but the listeners is involved, no firewall and no route, so an ordinary user has the same. What
the container sees is a connection from its gateway, as with docker-proxy: it is made in the engine's namespace.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.errors import EngineError
from container_runtime.network.bindings import ANYWHERE, Port, Wanted
from container_runtime.network.datagrams import Flows
from container_runtime.network.published_connections import ConnectionPort
from container_runtime.network.published_datagrams import DatagramPort
from container_runtime.network.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from container_runtime.network.backbone import Backbone

_SETTINGS = Path("/proc/sys/net/ipv4")
_RANGE = (32768, 60999)  # Docker's, where the machine does not say (moby, libnetwork/portallocator)
_MOST_TRIES = 2048  # some 20 ms
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class Published(NamedTuple):
    """A port of a container, and where it is reached."""

    port: Port
    address: str
    number: int


class _Refused(Exception):
    """A number that cannot be had, and why."""


class Publisher:
    """The published ports of one engine."""

    def __init__(self, backbone: Backbone) -> None:
        """On the running loop."""
        self._backbone = backbone
        self._beside_forwards = backbone.outer >= 0
        self._relay = Relay()
        self._flows = Flows()
        self._open: dict[str, dict[Published, ConnectionPort | DatagramPort]] = {}
        self._taken: set[tuple[str, str, int]] = set()
        self._kept: dict[str, dict[int, int]] = {}
        self._next = -1

    def open(self, container_id: str, wanted: list[Wanted], address: Callable[[], str]) -> None:
        """Listen for all of ``wanted``; ``address`` tells where the container is when somebody connects.

        Numbers that were chosen stay the container's until ``forget``, unless somebody else has taken them while it
        did not run.

        Raises:
            EngineError: a port is not to be had, in Docker's words; then none is open.
        """
        self.stop(container_id)
        self._open[container_id] = {}
        try:
            for place, one in enumerate(wanted):
                self._serve(container_id, place, one, address)
        except BaseException:
            self.stop(container_id)
            raise

    def _serve(self, container_id: str, place: int, wanted: Wanted, address: Callable[[], str]) -> None:
        if wanted.port.protocol not in _KINDS:
            raise EngineError(
                f"error starting userland proxy: {wanted.port}: protocol not supported: this engine publishes tcp and "
                "udp; containers reach each other's sctp ports by their networks"
            )
        kept = self._kept.setdefault(container_id, {})
        number, listeners = self._choose(wanted, kept.get(place, 0), address())
        if wanted.first != wanted.last or not wanted.first:
            kept[place] = number
        for host, listener in listeners:
            published = Published(wanted.port, host, number)
            self._open[container_id][published] = self._start(listener, wanted.port, address)
            self._taken.add((wanted.port.protocol, host, number))

    def _start(self, listener: socket.socket, port: Port, address: Callable[[], str]) -> ConnectionPort | DatagramPort:
        listener.setblocking(False)

        def destination() -> tuple[str, int]:
            return address(), port.number

        if port.protocol == "udp":
            return DatagramPort(listener, self._backbone, self._flows, destination)
        return ConnectionPort(listener, self._backbone, self._relay, destination)

    def _choose(self, wanted: Wanted, kept: int, container: str) -> tuple[int, list[tuple[str, socket.socket]]]:
        """A number, and the listeners at it."""
        if wanted.first and wanted.first == wanted.last:
            try:
                return wanted.first, self._listen(wanted, wanted.first, container)
            except _Refused as refusal:
                raise EngineError(str(refusal)) from None
        last_refusal = ""
        for number in self._candidates(wanted, kept):
            try:
                listeners = self._listen(wanted, number, container)
            except _Refused as refusal:
                last_refusal = str(refusal)
                continue
            if not wanted.first:
                self._next = number + 1
            return number, listeners
        raise EngineError(f"all ports are allocated: none of {_text(wanted)} is free; the last: {last_refusal}")

    def _candidates(self, wanted: Wanted, kept: int) -> Iterator[int]:
        if kept:
            yield kept
        others = {number for numbers in self._kept.values() for number in numbers.values()}
        first, last = (wanted.first, wanted.last) if wanted.first else ephemeral_range()
        count, start = last - first + 1, first
        if not wanted.first:
            # Each engine begins somewhere else, so that those who start at once do not meet at every port.
            start = self._next if first <= self._next <= last else first + int.from_bytes(os.urandom(2), "big") % count
        for step in range(min(count, _MOST_TRIES)):
            number = first + (start - first + step) % count
            if wanted.first or number not in others:
                yield number

    def _listen(self, wanted: Wanted, number: int, container: str) -> list[tuple[str, socket.socket]]:
        for host in wanted.addresses:
            self._check_own(wanted.port.protocol, host, number)
        listeners: list[tuple[str, socket.socket]] = []
        try:
            for host in wanted.addresses:
                try:
                    listeners.append(
                        (host, _bound(host, number, wanted.port.protocol, beside_forwards=self._beside_forwards))
                    )
                except OSError as error:
                    if host == "::" and wanted.addresses[:2] == ANYWHERE and error.errno in _NO_IPV6:
                        continue  # a machine without IPv6
                    where = f"{_bracketed(host)}:{number}:{container}:{wanted.port}"
                    raise _Refused(f"failed to bind host port for {where}: {_reason(error, number)}") from None
        except BaseException:
            for _, listener in listeners:
                listener.close()
            raise
        return listeners

    def _check_own(self, protocol: str, host: str, number: int) -> None:
        everywhere = "::" if ":" in host else ANYWHERE[0]
        for kind, other, taken in self._taken:
            same_family = (":" in other) == (":" in host)
            if (kind, taken) == (protocol, number) and same_family and (other == host or everywhere in {other, host}):
                raise _Refused(f"Bind for {other}:{number} failed: port is already allocated")

    def everywhere(self, number: int) -> bool:
        """Whether a TCP port is published at all IPv4 addresses."""
        return ("tcp", ANYWHERE[0], number) in self._taken

    def ports(self, container_id: str) -> list[Published]:
        """Where a container's ports are reached now."""
        return [*self._open.get(container_id, {})]

    def stop(self, container_id: str) -> None:
        """Listen no more: the container has ended, or left its networks."""
        for published, place in self._open.pop(container_id, {}).items():
            self._taken.discard((published.port.protocol, published.address, published.number))
            place.close()

    def forget(self, container_id: str) -> None:
        """The container is removed."""
        self.stop(container_id)
        self._kept.pop(container_id, None)

    def close(self) -> None:
        """End everything."""
        for container_id in [*self._open]:
            self.stop(container_id)
        self._flows.close()
        self._relay.close()


def ephemeral_range() -> tuple[int, int]:
    """The machine's range for ports that nobody chose (ip-sysctl.rst, ip_local_port_range)."""
    try:
        first, last = (int(word) for word in (_SETTINGS / "ip_local_port_range").read_text().split())
    except (OSError, ValueError):
        return _RANGE
    return (first, last) if 0 < first <= last else _RANGE


def _bound(host: str, number: int, protocol: str, *, beside_forwards: bool) -> socket.socket:
    """A listening socket.

    ``beside_forwards``: listeners of ``forwards`` at other loopback addresses are no reason to refuse all addresses.
    For that both need SO_REUSEPORT (socket(7)), which would also let two engines of a user have one port: so whether
    it is free is seen without.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, _KINDS[protocol])
    try:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":  # for UDP it would mean that two may have the same port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if beside_forwards and host == ANYWHERE[0]:
                _bound("127.0.0.1", number, protocol, beside_forwards=False).close()
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, number))
        if protocol == "tcp":
            listener.listen(1024)
    except BaseException:
        listener.close()
        raise
    return listener


def _reason(error: OSError, number: int) -> str:
    if error.errno != errno.EACCES:
        return os.strerror(error.errno or errno.EIO).lower()
    try:
        lowest = (_SETTINGS / "ip_unprivileged_port_start").read_text().strip()
    except OSError:
        lowest = "1024"
    return (
        # Without the words "permission denied", of which docker's command would make the exit code 126.
        f"not permitted: ports below {lowest} are for root; publish at a higher one, or let everybody have them: "
        f"sudo sysctl net.ipv4.ip_unprivileged_port_start={number}"
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _text(wanted: Wanted) -> str:
    first, last = (wanted.first, wanted.last) if wanted.first else ephemeral_range()
    return f"{first}-{last}/{wanted.port.protocol}"
