"""A small rtnetlink(7): just the requests that bridges, veth pairs, addresses, routes and rules need.

Our own, because the library for it (pyroute2) takes 200 ms to import, which is longer than an engine may take to have
its first container running. Several requests go out in one send; each is acknowledged.
"""

from __future__ import annotations

import os
import socket
import struct

from container_runtime.errors import KernelError

# linux/netlink.h, linux/rtnetlink.h
_ACK, _REQUEST, _CREATE, _EXCL, _DUMP = 0x4, 0x1, 0x400, 0x200, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE, _GETROUTE, _GETADDR, _NEWRULE = 16, 17, 20, 24, 26, 22, 32
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 10, 18
_IFLA_NET_NS_FD, _IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 28, 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_TABLE = 1, 4, 5, 15
_FRA_IIFNAME, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE = 3, 6, 10, 15
_NESTED = 0x8000
_RTMGRP_IPV4_ROUTE = 0x40  # linux/rtnetlink.h
_IFF_UP = 1
_RTN_UNICAST, _RTN_LOCAL, _RTN_UNREACHABLE, _RTNH_F_ONLINK = 1, 2, 7, 4
_RT_TABLE_MAIN, _RTPROT_STATIC, _SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_HOST = 254, 4, 0, 253, 254

Request = tuple[str, str, int, int, bytes]
"""What it is and to what (for an error's words), message type, flags, payload."""


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _link(index: int = 0, flags: int = 0) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, flags, flags)


def bridge(name: str, mac: bytes | None = None) -> Request:
    """Make a bridge, up; with an address of its own it does not change it with its ports."""
    payload = _link(flags=_IFF_UP) + _text(_IFLA_IFNAME, name)
    if mac:
        payload += _attribute(_IFLA_ADDRESS, mac)
    payload += _attribute(_IFLA_LINKINFO | _NESTED, _text(_IFLA_INFO_KIND, "bridge"))
    return ("make bridge", name, _NEWLINK, _CREATE | _EXCL, payload)


def veth(name: str, peer: str, peer_namespace: int, *, master: int = 0, peer_mac: bytes | None = None) -> Request:
    """Make a veth pair, ``name`` here and up (in bridge ``master`` where given), ``peer`` in a namespace descriptor."""
    inside = _link() + _text(_IFLA_IFNAME, peer) + _number(_IFLA_NET_NS_FD, peer_namespace)
    if peer_mac:
        inside += _attribute(_IFLA_ADDRESS, peer_mac)
    payload = _link(flags=_IFF_UP) + _text(_IFLA_IFNAME, name)
    if master:
        payload += _number(_IFLA_MASTER, master)
    data = _attribute(_IFLA_INFO_DATA | _NESTED, _attribute(_VETH_INFO_PEER | _NESTED, inside))
    payload += _attribute(_IFLA_LINKINFO | _NESTED, _text(_IFLA_INFO_KIND, "veth") + data)
    return ("make veth pair", name, _NEWLINK, _CREATE | _EXCL, payload)


def up(index: int) -> Request:
    """Bring a link up."""
    return ("bring up link", str(index), _NEWLINK, 0, _link(index, _IFF_UP))


def down(index: int) -> Request:
    """Take a link down: nothing arrives through it any more."""
    return ("take down link", str(index), _NEWLINK, 0, struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, _IFF_UP))


def delete_link(index: int) -> Request:
    """Delete a link; the other end of a veth pair goes with it. Blocks for 16 to 20 ms."""
    return ("delete link", str(index), _DELLINK, 0, _link(index))


def address(index: int, value: str, prefix: int) -> Request:
    """Give a link an IPv4 address."""
    packed = socket.inet_aton(value)
    payload = struct.pack("=BBBBi", socket.AF_INET, prefix, 0, _SCOPE_UNIVERSE, index)
    payload += _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
    return ("add address", f"{value}/{prefix}", _NEWADDR, _CREATE | _EXCL, payload)


def route(
    destination: str = "",
    prefix: int = 0,
    *,
    gateway: str = "",
    index: int = 0,
    table: int = _RT_TABLE_MAIN,
    unreachable: bool = False,
    onlink: bool = False,
) -> Request:
    """Add an IPv4 route (the default one without ``destination``); refused with EEXIST where there is one.

    ``onlink``: the gateway is behind the link, whatever addresses the link has (yet).
    """
    kind = _RTN_UNREACHABLE if unreachable else _RTN_UNICAST
    scope = _SCOPE_UNIVERSE if gateway or unreachable else _SCOPE_LINK
    payload = struct.pack(
        "=BBBBBBBBI",
        socket.AF_INET,
        prefix,
        0,
        0,
        min(table, 255) if table < 256 else 0,
        _RTPROT_STATIC,
        scope,
        kind,
        _RTNH_F_ONLINK if onlink else 0,
    )
    if destination:
        payload += _attribute(_RTA_DST, socket.inet_aton(destination))
    if gateway:
        payload += _attribute(_RTA_GATEWAY, socket.inet_aton(gateway))
    if index:
        payload += _number(_RTA_OIF, index)
    payload += _number(_RTA_TABLE, table)
    return ("add route", f"{destination or 'default'}/{prefix}", _NEWROUTE, _CREATE | _EXCL, payload)


def rule_from_interface(name: str, table: int, priority: int) -> Request:
    """Route what comes in by interface ``name`` by ``table``."""
    payload = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 1, 0)  # FR_ACT_TO_TBL
    payload += _text(_FRA_IIFNAME, name) + _number(_FRA_PRIORITY, priority) + _number(_FRA_TABLE, table)
    return ("add rule for", name, _NEWRULE, _CREATE | _EXCL, payload)


def rule_for_mark(mark: int, table: int, priority: int) -> Request:
    """Route packets with a mark of nftables by ``table``."""
    payload = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 1, 0)  # FR_ACT_TO_TBL
    payload += _number(_FRA_FWMARK, mark) + _number(_FRA_PRIORITY, priority) + _number(_FRA_TABLE, table)
    return ("add rule for mark", str(mark), _NEWRULE, _CREATE | _EXCL, payload)


def all_local(table: int) -> Request:
    """Every address is this namespace's own, in a table of its own (tproxy.rst, "Making non-local sockets work")."""
    payload = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, _RTPROT_STATIC, _SCOPE_HOST, _RTN_LOCAL, 0)
    payload += _number(_RTA_OIF, 1) + _number(_RTA_TABLE, table)
    return ("add local route", f"table {table}", _NEWROUTE, _CREATE | _EXCL, payload)


def removed(request: Request) -> Request:
    """The request that takes back an ``address``, a ``route`` or a rule."""
    _, what, kind, _, payload = request
    # linux/rtnetlink.h: every RTM_DEL* follows its RTM_NEW*, and takes the same payload.
    return ("remove", what, kind + 1, 0, payload)


class Netlink:
    """A socket in the network namespace that the calling thread was in when it was made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._sequence = 0

    def close(self) -> None:
        """Close the socket, which also lets go of its namespace."""
        self._socket.close()

    def send(self, *requests: Request) -> None:
        """Send requests together and await every acknowledgement.

        Raises:
            KernelError: of the first that was refused; those after it were tried all the same.
        """
        first = self._sequence + 1
        message = bytearray()
        for _, _, kind, flags, payload in requests:
            self._sequence += 1
            header = struct.pack("=IHHII", 16 + len(payload), kind, flags | _REQUEST | _ACK, self._sequence, 0)
            message += header + payload
        self._socket.send(message)
        waiting = set(range(first, self._sequence + 1))
        failed: KernelError | None = None
        while waiting:
            for kind, sequence, payload in _messages(self._socket.recv(65536)):
                if kind != _NLMSG_ERROR or sequence not in waiting:
                    continue
                waiting.discard(sequence)
                number = -struct.unpack_from("=i", payload)[0]
                if number and failed is None:
                    step, path = requests[sequence - first][:2]
                    failed = KernelError(step, path, number)
        if failed is not None:
            raise failed

    def _dump(self, kind: int, payload: bytes) -> list[bytes]:
        self._sequence += 1
        self._socket.send(struct.pack("=IHHII", 16 + len(payload), kind, _REQUEST | _DUMP, self._sequence, 0) + payload)
        found: list[bytes] = []
        while True:
            for answer, sequence, content in _messages(self._socket.recv(1 << 18)):
                if sequence != self._sequence:
                    continue
                if answer == _NLMSG_DONE:
                    return found
                if answer == _NLMSG_ERROR:
                    raise KernelError("list routes", "", -struct.unpack_from("=i", content)[0])
                found.append(content)

    def networks(self) -> list[tuple[int, int]]:
        """The IPv4 destinations of this namespace's routes, but for default ones, as (address, prefix)."""
        networks: list[tuple[int, int]] = []
        for content in self._dump(_GETROUTE, struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)):
            prefix = content[1]
            for kind, value in _attributes(content[12:]):
                if kind == _RTA_DST and prefix:
                    networks.append((int.from_bytes(value[:4], "big"), prefix))
        return networks


def route_news() -> socket.socket:
    """A socket that becomes readable when IPv4 routes of the calling thread's namespace change."""
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    channel.bind((0, _RTMGRP_IPV4_ROUTE))
    channel.setblocking(False)
    return channel


def is_default_route(news: bytes) -> bool:
    """Whether messages of ``route_news`` tell of a new default route."""
    return any(kind == _NEWROUTE and payload[1] == 0 for kind, _, payload in _messages(news))


def _messages(data: bytes) -> list[tuple[int, int, bytes]]:
    found: list[tuple[int, int, bytes]] = []
    offset = 0
    while offset + 16 <= len(data):
        length, kind, _, sequence, _ = struct.unpack_from("=IHHII", data, offset)
        found.append((kind, sequence, data[offset + 16 : offset + length]))
        offset += (length + 3) & ~3
    return found


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            break
        found.append((kind & 0x3FFF, data[offset + 4 : offset + length]))
        offset += (length + 3) & ~3
    return found


def index_of(name: str) -> int:
    """The index of a link in the calling thread's namespace (if_nametoindex(3)).

    Raises:
        KernelError: there is none of that name.
    """
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise KernelError("find link", name, error.errno or os.EX_OSERR) from None
