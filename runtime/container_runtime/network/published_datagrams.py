"""A published UDP port: a flow for each client, whose answers go back from the address that it had asked."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

from container_runtime.network.datagrams import Flow, Flows, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.network.backbone import Backbone

# linux/in.h, linux/in6.h; Python has names for some of them, in some versions.
_IP_PKTINFO, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 8, 49, 50
_SPACE = socket.CMSG_SPACE(20)  # a struct in6_pktinfo, the larger of the two

Control = list[tuple[int, int, bytes]]


def answer_control(control: list[Any]) -> Control:
    """Of the control messages of a datagram, what sends an answer from the address that it came to (ip(7), ipv6(7))."""
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_IP, _IP_PKTINFO) and len(data) >= 12:
            # struct in_pktinfo: interface, the address that is ours (ipi_spec_dst), the one in the header.
            return [(level, kind, struct.pack("=i4s4s", 0, data[4:8], b"\0\0\0\0"))]
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO) and len(data) >= 20:
            return [(level, kind, bytes(data[:20]))]
    return []


class DatagramPort:
    """A listening socket of the machine, and what it leads to."""

    def __init__(
        self, listener: socket.socket, backbone: Backbone, flows: Flows, destination: Callable[[], tuple[str, int]]
    ) -> None:
        """Own ``listener``, which is bound, and serve it; ``destination`` is asked with a client's first datagram."""
        self._listener, self._backbone, self._destination = listener, backbone, destination
        self._loop = asyncio.get_running_loop()
        self._flows = flows
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            listener.setsockopt(socket.SOL_IP, _IP_PKTINFO, 1)
        self._loop.add_reader(listener.fileno(), receive, listener, self._take, _SPACE)

    def _take(self, data: bytes, control: list[Any], client: Any) -> None:
        way_back = answer_control(control)
        key = (self._listener, (client, way_back[0] if way_back else None))
        self._flows.send(key, data, lambda: self._flow(client, way_back))

    def _flow(self, client: Any, way_back: Control) -> Flow:
        host, number = self._destination()
        ahead = self._backbone.make_socket(socket.SOCK_DGRAM)
        try:
            ahead.setblocking(False)
            if not host:
                raise ConnectionRefusedError
            ahead.connect((host, number))
        except BaseException:
            ahead.close()
            raise
        return Flow(ahead, lambda data: self._listener.sendmsg([data], way_back, 0, client))

    def close(self) -> None:
        """Take no more, and end all flows."""
        self._loop.remove_reader(self._listener.fileno())
        self._flows.end_of(self._listener)
        self._listener.close()
