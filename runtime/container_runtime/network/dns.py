"""Names: one small DNS server a network, on the gateway's port 53, where the network's containers are told to ask.

It answers the names in the asking container's networks from memory and passes everything else on, byte for byte, to the
machine's name servers. dnslib takes the messages apart; it is imported with the first question.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container_runtime.network.hosts import HOST_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from container_runtime.network.backbone import Backbone
    from container_runtime.network.model import Network

PORT = 53
TTL = 5  # seconds; containers come and go
_UPSTREAM_TIMEOUT = 3.0  # seconds; resolv.conf(5) waits 5, so that the asker hears of it
_PLAIN = 512  # bytes of an answer by UDP to who says nothing of EDNS (RFC 1035, 4.2.1)
_LONGEST_DATAGRAM = 4096
_MOST_UPSTREAM = 256  # questions under way; further ones are answered SERVFAIL


def machine_nameservers(text: str) -> list[str]:
    """The IPv4 name servers of a resolv.conf(5)."""
    found: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and ":" not in words[1]:
            found.append(words[1])
    return found


def lookup(networks: Sequence[Network], name: str, host_address: str) -> list[str]:
    """The addresses of a name in the first network that knows it, without regard to case.

    Several containers may share an alias. As with Docker, the network's name may stand behind: ``db.backend``.
    """
    wanted = name.rstrip(".").lower()
    if wanted == HOST_NAME:
        return [host_address]
    for network in networks:
        words = {wanted, wanted.removesuffix(f".{network.name.lower()}")}
        ends = network.endpoints.values()
        if found := [end.address for end in ends if any(known.lower() in words for known in end.names)]:
            return found
    return []


def reverse(networks: Sequence[Network], name: str) -> str:
    """The first name of the container whose address ``name`` (…in-addr.arpa) asks for, or nothing."""
    address = ".".join(reversed(name.rstrip(".").lower().removesuffix(".in-addr.arpa").split(".")))
    for network in networks:
        for endpoint in network.endpoints.values():
            if endpoint.address == address and endpoint.names:
                return f"{endpoint.names[0]}.{network.name}"
    return ""


def answer(question: bytes, networks: Sequence[Network], host_address: str) -> bytes | None:
    """The answer to a message from a container of these networks, or None where it is not ours to give.

    Raises:
        ValueError: the message is malformed.
    """
    import dnslib

    try:
        record = dnslib.DNSRecord.parse(question)
    except (dnslib.DNSError, IndexError, struct.error) as error:
        raise ValueError(str(error)) from None
    if len(record.questions) != 1:
        raise ValueError("not one question")
    asked = record.q
    name = str(asked.qname)
    reply = record.reply()
    if any(one.rtype == dnslib.QTYPE.OPT for one in record.ar):
        reply.add_ar(dnslib.EDNS0(udp_len=_LONGEST_DATAGRAM))  # RFC 6891, 6.1.1: who asks with it is answered with it
    addresses = lookup(networks, name, host_address)
    if addresses:
        random.shuffle(addresses)
        if asked.qtype in {dnslib.QTYPE.A, dnslib.QTYPE.ANY}:
            for address in addresses:
                reply.add_answer(dnslib.RR(asked.qname, dnslib.QTYPE.A, rdata=dnslib.A(address), ttl=TTL))
        return bytes(reply.pack())  # without an answer for AAAA: the name exists, and has none
    known = reverse(networks, name) if asked.qtype == dnslib.QTYPE.PTR else ""
    if known:
        reply.add_answer(dnslib.RR(asked.qname, dnslib.QTYPE.PTR, rdata=dnslib.PTR(known), ttl=TTL))
        return bytes(reply.pack())
    if all(network.internal for network in networks) or "." not in name.rstrip("."):
        reply.header.rcode = dnslib.RCODE.NXDOMAIN
        return bytes(reply.pack())
    return None


def fitting(reply: bytes, question: bytes) -> bytes:
    """An answer as it may go by UDP: where it is longer than the asker takes, the word to ask by TCP (the bit TC)."""
    import dnslib

    if len(reply) <= _PLAIN:
        return reply
    sizes = [int(one.rclass) for one in dnslib.DNSRecord.parse(question).ar if one.rtype == dnslib.QTYPE.OPT]
    if len(reply) <= min(max([_PLAIN, *sizes]), _LONGEST_DATAGRAM):
        return reply
    shortened = dnslib.DNSRecord.parse(reply)
    shortened.rr = []
    shortened.header.tc = 1
    return bytes(shortened.pack())


def refusal(question: bytes) -> bytes:
    """SERVFAIL for a question (RFC 1035, 4.1.1): its header with QR, RA and the code set, its question kept."""
    flags = struct.unpack_from("!H", question, 2)[0] & 0x7900 | 0x8082
    return question[:2] + struct.pack("!H", flags) + question[4:6] + b"\0" * 6 + question[12:]


class NameServer(asyncio.DatagramProtocol):
    """The server of one network, UDP and TCP."""

    def __init__(
        self, backbone: Backbone, network: Network, host_address: str, networks_of: Callable[[str], list[Network]]
    ) -> None:
        """Bind both sockets; the loop serves them from its next turn on.

        ``networks_of``: all networks of a container. A resolver asks one server only, so that this one answers for the
        container's other networks too.
        """
        self.network = network
        self._networks_of = networks_of
        self.host_address = host_address
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._sockets = [
            backbone.listen(network.gateway, PORT, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)
        ]
        self._spawn(self._serve())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._sockets[0])
        self._server = await asyncio.start_server(self._converse, sock=self._sockets[1])

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One question by UDP."""
        networks = self._networks(addr[0])
        if not networks:
            return
        reply = self._answer(data, networks)
        if reply is not None:
            self._send(fitting(reply, data), addr)
        elif len(self._tasks) < _MOST_UPSTREAM:
            self._spawn(self._relay(data, addr))
        else:
            self._send(refusal(data), addr)

    def _networks(self, asker: str) -> list[Network]:
        """The asker's networks, this one first; none for another's: every gateway is within reach of all bridges."""
        for container, endpoint in self.network.endpoints.items():
            if endpoint.address == asker:
                others = (one for one in self._networks_of(container) if one is not self.network)
                return [self.network, *others]
        return []

    def _answer(self, data: bytes, networks: Sequence[Network]) -> bytes | None:
        """Our answer; nothing to send (empty) for what is no question; None where others have to be asked."""
        try:
            return answer(data, networks, self.host_address)
        except ValueError:
            return b""

    def _send(self, data: bytes, addr: Any) -> None:
        if data and self._transport is not None:
            self._transport.sendto(data, addr)

    async def _relay(self, data: bytes, addr: Any) -> None:
        self._send(await ask_upstream(data), addr)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while networks := self._networks(writer.get_extra_info("peername")[0]):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                data = await reader.readexactly(length)
                reply = self._answer(data, networks)
                if reply is None:
                    reply = await ask_upstream(data, stream=True)
                if not reply:
                    return
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def close(self) -> None:
        """Let go of the sockets: they keep the namespace."""
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.abort()
        if self._server is not None:
            self._server.close()
        for server in self._sockets:
            server.close()


class _Once(asyncio.DatagramProtocol):
    """Awaits one datagram."""

    def __init__(self) -> None:
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        del addr
        if not self.reply.done():
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def ask_upstream(data: bytes, *, stream: bool = False) -> bytes:
    """The answer of the machine's name servers, asked in turn; SERVFAIL where none answers in time."""
    try:
        text = await asyncio.to_thread(Path("/etc/resolv.conf").read_text)
    except OSError:
        text = ""
    for server in machine_nameservers(text):
        try:
            async with asyncio.timeout(_UPSTREAM_TIMEOUT):
                return await (_ask_stream if stream else _ask_datagram)(data, server)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            continue
    return refusal(data)


async def _ask_datagram(data: bytes, server: str) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Once, remote_addr=(server, PORT))
    try:
        transport.sendto(data)
        return await protocol.reply
    finally:
        transport.close()


async def _ask_stream(data: bytes, server: str) -> bytes:
    reader, writer = await asyncio.open_connection(server, PORT)
    try:
        writer.write(struct.pack("!H", len(data)) + data)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()
