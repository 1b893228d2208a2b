"""Fixed nftables rulesets for a network namespace, as netlink messages (linux/netfilter/nf_tables.h).

For an ordinary user's engine, in the stand-in for the machine, the last line of each chain is all. For root's, in the
words of nft(8)::

    table ip pytest_containers {
        chain outside {
            type nat hook prerouting priority dstnat; policy accept;
            iifname "uplink" return
            fib daddr type local return
            ip daddr 198.18.0.0/15 return
            meta l4proto tcp redirect to :1
        }
        chain datagrams {
            type filter hook prerouting priority mangle; policy accept;
            iifname "uplink" return
            fib daddr type local return
            ip daddr 198.18.0.0/15 return
            meta l4proto udp tproxy to :1 meta mark set 0x00000001
        }
    }
"""

from __future__ import annotations

import socket
import struct

from container_runtime.errors import KernelError

TABLE, CHAIN, DATAGRAMS = "pytest_containers", "outside", "datagrams"
MARK = 1
"""Of packets that are for the engine, wherever they are going; routing has to bring them to it (``rtnetlink``)."""

_NETLINK_NETFILTER = 12
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_BATCH_BEGIN, _BATCH_END = 16, 17
_NEWTABLE, _NEWCHAIN, _NEWRULE = 0, 3, 6
_REQUEST, _ACK, _CREATE, _APPEND = 0x1, 0x4, 0x400, 0x800
_NESTED = 0x8000
_REGISTER = 1  # NFT_REG_1
_META_MARK, _IIFNAME, _OIFNAME, _L4PROTO = 3, 6, 7, 16  # NFT_META_*
_NETWORK_HEADER, _DADDR_OFFSET = 1, 16  # NFT_PAYLOAD_NETWORK_HEADER; RFC 791: destination
_FIB_ADDRTYPE, _FIB_DADDR, _RTN_LOCAL = 3, 2, 2
_VERDICT_RETURN = -5  # NFT_RETURN
_MANGLE_PRIORITY, _DSTNAT_PRIORITY, _SRCNAT_PRIORITY = -150, -100, 100  # linux/netfilter_ipv4.h
_POSTROUTING = 4  # NF_INET_POST_ROUTING
_TCP, _UDP = 6, 17


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + b"\0" * (-length % 4)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    # Numbers of nf_tables are big-endian, unlike those of rtnetlink.
    return _attribute(kind, struct.pack("!I", value & 0xFFFFFFFF))


def _nest(kind: int, *parts: bytes) -> bytes:
    return _attribute(kind | _NESTED, b"".join(parts))


def _expression(name: str, *parts: bytes) -> bytes:
    return _nest(1, _text(1, name), _nest(2, *parts))


def _meta(key: int) -> bytes:
    return _expression("meta", _number(2, key), _number(1, _REGISTER))


def _equals(value: bytes) -> bytes:
    return _expression("cmp", _number(1, _REGISTER), _number(2, 0), _nest(3, _attribute(1, value)))


def _return() -> bytes:
    return _expression("immediate", _number(1, 0), _nest(2, _nest(2, _number(1, _VERDICT_RETURN))))


def _destination_in(base: str, prefix: int) -> bytes:
    mask = (0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF).to_bytes(4, "big")
    load = _expression(
        "payload", _number(1, _REGISTER), _number(2, _NETWORK_HEADER), _number(3, _DADDR_OFFSET), _number(4, 4)
    )
    cut = _expression(
        "bitwise",
        _number(1, _REGISTER),
        _number(2, _REGISTER),
        _number(3, 4),
        _nest(4, _attribute(1, mask)),
        _nest(5, _attribute(1, b"\0\0\0\0")),
    )
    return load + cut + _equals(socket.inet_aton(base))


def _message(kind: int, sequence: int, flags: int, payload: bytes, subsystem: int = _SUBSYSTEM) -> bytes:
    generic = struct.pack("=BBH", socket.AF_INET, 0, 0)
    return struct.pack("=IHHII", 20 + len(payload), subsystem << 8 | kind, flags, sequence, 0) + generic + payload


def _boundary(kind: int, sequence: int) -> bytes:
    generic = struct.pack("=BB", 0, 0) + struct.pack("!H", _SUBSYSTEM)
    return struct.pack("=IHHII", 20, kind, _REQUEST, sequence, 0) + generic


def _local_traffic(base: str, prefix: int, uplink: str) -> list[bytes]:
    """Rules that let alone what comes from ``uplink``, what is for the namespace itself and what is for the pool."""
    return [
        _meta(_IIFNAME) + _equals(uplink.encode().ljust(16, b"\0")) + _return(),
        _expression("fib", _number(1, _REGISTER), _number(2, _FIB_ADDRTYPE), _number(3, _FIB_DADDR))
        + _equals(struct.pack("=I", _RTN_LOCAL))
        + _return(),
        _destination_in(base, prefix) + _return(),
    ]


def ruleset(base: str, prefix: int, uplink: str, port: int) -> bytes:
    """The batch: ``base/prefix`` and what comes from ``uplink`` is left alone, other TCP is redirected to ``port``."""
    return _batch([*_local_traffic(base, prefix, uplink), _redirected(port)])


def _load(value: bytes) -> bytes:
    return _expression("immediate", _number(1, _REGISTER), _nest(2, _attribute(1, value)))


def _redirected(port: int) -> bytes:
    return (
        _meta(_L4PROTO)
        + _equals(bytes([_TCP]))
        + _load(struct.pack("!H", port))
        + _expression("redir", _number(1, _REGISTER))
    )


def _handed_over(port: int) -> bytes:
    """UDP as it is, addresses unchanged, for the transparent socket at ``port``."""
    return (
        _meta(_L4PROTO)
        + _equals(bytes([_UDP]))
        + _load(struct.pack("!H", port))
        + _expression("tproxy", _number(1, socket.AF_INET), _number(3, _REGISTER))
        + _load(struct.pack("=I", MARK))
        + _expression("meta", _number(2, _META_MARK), _number(3, _REGISTER))
    )


def _batch(rules: list[bytes], place: tuple[str, str, int, int] = (CHAIN, "nat", 0, _DSTNAT_PRIORITY)) -> bytes:
    """Rules of one chain; ``place``: its name, type, hook and priority."""
    name, kind, number, priority = place
    hook = _nest(4, _number(1, number), _number(2, priority))
    chain = _text(1, TABLE) + _text(3, name) + hook + _number(5, 1) + _text(7, kind)
    flags = _REQUEST | _ACK | _CREATE
    messages = [_boundary(_BATCH_BEGIN, 1), _message(_NEWTABLE, 2, flags, _text(1, TABLE))]
    messages.append(_message(_NEWCHAIN, 3, flags, chain))
    for number, rule in enumerate(rules):
        body = _text(1, TABLE) + _text(2, name) + _nest(4, rule)
        messages.append(_message(_NEWRULE, 4 + number, flags | _APPEND, body))
    messages.append(_boundary(_BATCH_END, 4 + len(rules)))
    return b"".join(messages)


def install(batch: bytes, messages: int, modules: str = "nft_redir and nft_fib") -> None:
    """Send a batch in the calling thread's network namespace, and await its acknowledgements.

    Raises:
        KernelError: the kernel refused it; a batch is taken whole or not at all.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as channel:
        channel.bind((0, 0))
        channel.send(batch)
        acknowledged = 0
        while acknowledged < messages:
            data = channel.recv(65536)
            offset = 0
            while offset + 20 <= len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                number = -struct.unpack_from("=i", data, offset + 16)[0] if kind == 2 else 0  # NLMSG_ERROR
                if number:
                    raise KernelError("load the nftables ruleset", TABLE, number, f"the kernel needs {modules}")
                acknowledged += 1
                offset += (length + 3) & ~3


def redirect(base: str, prefix: int, uplink: str, port: int) -> None:
    """Load the ruleset into the calling thread's network namespace."""
    install(ruleset(base, prefix, uplink, port), 6)


def redirect_to(address: str, port: int) -> None:
    """Redirect TCP that arrives in the calling thread's network namespace for ``address``."""
    install(_batch([_destination_in(address, 32) + _redirected(port)]), 3)


def masquerade(interface: str) -> None:
    """Give what leaves the calling thread's network namespace by ``interface`` that one's address."""
    rule = _meta(_OIFNAME) + _equals(interface.encode().ljust(16, b"\0")) + _expression("masq")
    install(_batch([rule], ("leaving", "nat", _POSTROUTING, _SRCNAT_PRIORITY)), 3)


def redirect_all(port: int) -> None:
    """Redirect all TCP that arrives in the calling thread's network namespace."""
    install(_batch([_redirected(port)]), 3)


def hand_over(base: str, prefix: int, uplink: str, port: int) -> None:
    """Hand UDP that leaves to the transparent socket at ``port`` of the calling thread's network namespace."""
    _hand_over([*_local_traffic(base, prefix, uplink), _handed_over(port)])


def hand_over_to(address: str, port: int) -> None:
    """The same for UDP that arrives for ``address``."""
    _hand_over([_destination_in(address, 32) + _handed_over(port)])


def hand_over_all(port: int) -> None:
    """The same for all UDP that arrives."""
    _hand_over([_handed_over(port)])


def _hand_over(rules: list[bytes]) -> None:
    install(_batch(rules, (DATAGRAMS, "filter", 0, _MANGLE_PRIORITY)), 2 + len(rules), "nft_tproxy and nft_fib")
