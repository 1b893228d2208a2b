"""Published ports on the machine's loopback; the "containers" are this process too."""

import asyncio
import socket
import struct
from contextlib import contextmanager, suppress

import pytest

from container_runtime.errors import EngineError
from container_runtime.network import publisher as publishing
from container_runtime.network.bindings import Port, Wanted
from container_runtime.network.publisher import Publisher

HERE = ("127.0.0.1",)
HANG = 60


class Machine:
    """In place of the backbone: the inside is the machine."""

    outer = -1

    @staticmethod
    def make_socket(kind):
        return socket.socket(socket.AF_INET, kind)


class Users(Machine):
    outer = 0


def run(work):
    async def main():
        publisher = Publisher(Machine())
        try:
            await asyncio.wait_for(work(publisher), HANG)
        finally:
            publisher.close()

    asyncio.run(main())


@contextmanager
def held(kind=socket.SOCK_STREAM, host="127.0.0.1"):
    """A port that another program has."""
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind((host, 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        yield holder, holder.getsockname()[1]


def free_port(kind=socket.SOCK_STREAM):
    with held(kind) as (_, number):
        return number


def wanted(port, first=0, last=None, protocol="tcp", addresses=HERE):
    return Wanted(Port(port, protocol), addresses, first, first if last is None else last)


def at(publisher, name="a"):
    return [(one.address, one.number) for one in publisher.ports(name)]


def opened(publisher, name, *ports, address="127.0.0.1"):
    publisher.open(name, [*ports], lambda: address)
    return at(publisher, name)


async def ask(port, data=b"", host="127.0.0.1"):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(data)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def assert_reset(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def counting(reader, writer):
    """Answers when its client has said all."""
    data = await reader.read()
    writer.write(b"x" * len(data))
    writer.close()


def test_half_closed_connections_and_much_data():
    async def work(publisher):
        server = await asyncio.start_server(counting, "127.0.0.1", 0)
        async with server:
            inside = server.sockets[0].getsockname()[1]
            ((_, number),) = opened(publisher, "a", wanted(inside))
            assert await ask(number, b"five5") == b"xxxxx"
            assert len(await ask(number, bytes(5_000_000))) == 5_000_000

    run(work)


def test_where_nobody_listens_a_client_gets_a_reset():
    async def work(publisher):
        ((_, number),) = opened(publisher, "a", wanted(free_port()))
        await assert_reset(number)
        ((_, number),) = opened(publisher, "b", wanted(80), address="")
        await assert_reset(number)

    run(work)


def test_a_container_s_last_words_arrive_and_what_it_left_open_is_cut():
    async def work(publisher):
        held_open = []

        async def leave_open(_, writer):
            held_open.append(writer)

        async def say_much(_, writer):
            writer.write(bytes(20_000_000))
            await writer.drain()
            writer.close()

        for serve, told in ((leave_open, None), (say_much, 20_000_000)):
            async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
                ((_, number),) = opened(publisher, "a", wanted(server.sockets[0].getsockname()[1]))
                reader, writer = await asyncio.open_connection("127.0.0.1", number)
                writer.write(b"x")
                if told is None:
                    publisher.stop("a")
                    with pytest.raises(ConnectionResetError):
                        await reader.read()
                else:
                    first = await reader.readexactly(10)
                    publisher.stop("a")
                    assert len(first + await reader.read()) == told
                writer.close()
        for writer in held_open:
            writer.close()

    run(work)


def test_chosen_numbers_are_kept_while_the_container_is_there():
    async def work(publisher):
        first = opened(publisher, "a", wanted(80), wanted(81), wanted(80), wanted(53, protocol="udp"))
        assert len({number for _, number in first}) == 4
        publisher.stop("a")
        assert at(publisher) == []
        others = opened(publisher, "b", *[wanted(80)] * 5)
        assert not {*first} & {*others}
        assert opened(publisher, "a", wanted(80), wanted(81), wanted(80), wanted(53, protocol="udp")) == first

    run(work)


def test_a_kept_number_that_somebody_took_is_another_one():
    async def work(publisher):
        ((_, before),) = opened(publisher, "a", wanted(80))
        publisher.stop("a")
        with socket.create_server(("127.0.0.1", before)):
            ((_, after),) = opened(publisher, "a", wanted(80))
        assert after != before

    run(work)


def test_a_stopped_container_s_port_is_free_for_others():
    async def work(publisher):
        number = free_port()
        opened(publisher, "a", wanted(80, number))
        publisher.stop("a")
        with socket.create_server(("127.0.0.1", number)):
            pass
        assert opened(publisher, "b", wanted(80, number)) == [("127.0.0.1", number)]

    run(work)


def test_what_is_free_of_a_range():
    async def work(publisher):
        with held() as (_, theirs):
            low, high = max(1024, theirs - 50), min(65535, theirs + 50)
            ((_, number),) = opened(publisher, "a", wanted(80, low, high))
            assert low <= number <= high
            assert number != theirs

    run(work)


def test_a_full_range_says_so():
    async def work(publisher):
        ((_, first),) = opened(publisher, "a", wanted(80))
        with suppress(EngineError):  # somebody else may have it: as well
            opened(publisher, "b", wanted(80, first + 1))
        with pytest.raises(EngineError, match=rf"^all ports are allocated: none of {first}-{first + 1}/tcp is free"):
            opened(publisher, "c", wanted(80, first, first + 1))

    run(work)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_conflicts_say_who_has_it(kind):
    async def work(publisher):
        number = free_port(publishing._KINDS[kind])
        opened(publisher, "a", wanted(80, number, protocol=kind))
        for address in ("127.0.0.1", "0.0.0.0"):
            with pytest.raises(EngineError, match=rf"^Bind for 127.0.0.1:{number} failed: port is already allocated$"):
                opened(publisher, "b", wanted(80, number, protocol=kind, addresses=(address,)))
        assert at(publisher, "b") == []
        other = "udp" if kind == "tcp" else "tcp"
        assert opened(publisher, "b", wanted(80, number, protocol=other)) == [("127.0.0.1", number)]
        assert opened(publisher, "c", wanted(80, number, protocol=kind, addresses=("127.0.0.2",)))
        with held(publishing._KINDS[kind]) as (_, theirs), pytest.raises(EngineError) as caught:
            opened(publisher, "d", wanted(80, theirs, protocol=kind), address="10.0.0.9")
        told = f"failed to bind host port for 127.0.0.1:{theirs}:10.0.0.9:80/{kind}: address already in use"
        assert str(caught.value) == told

    run(work)


def test_all_or_nothing():
    async def work(publisher):
        number = free_port()
        with held() as (_, theirs), pytest.raises(EngineError, match="already in use"):
            opened(publisher, "a", wanted(80, number), wanted(81, theirs))
        with socket.create_server(("127.0.0.1", number)):
            pass

    run(work)


def test_beside_forwards_two_engines_still_meet():
    """An ordinary user's forwards listen at other loopback addresses; what is published everywhere is so once."""

    async def work(publisher):
        users, other = Publisher(Users()), Publisher(Users())
        with held(host="127.77.0.1") as (forward, number):
            with pytest.raises(EngineError, match="address already in use"):
                opened(users, "a", wanted(80, number, addresses=("0.0.0.0",)))
            forward.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            opened(users, "a", wanted(80, number, addresses=("0.0.0.0",)))
            assert users.everywhere(number)
            for one in (other, publisher):
                with pytest.raises(EngineError, match="address already in use"):
                    opened(one, "a", wanted(80, number, addresses=("0.0.0.0",)))
        users.close()
        other.close()

    run(work)


def test_an_address_that_the_machine_has_not():
    async def work(publisher):
        with pytest.raises(EngineError, match="cannot assign requested address"):
            opened(publisher, "a", wanted(80, 8080, addresses=("192.0.2.77",)))

    run(work)


def test_what_is_not_published_here():
    async def work(publisher):
        with pytest.raises(EngineError, match="80/sctp: protocol not supported"):
            opened(publisher, "a", wanted(80, protocol="sctp"))

    run(work)


class Ask(asyncio.DatagramProtocol):
    """A client: what came, and from where."""

    def __init__(self):
        self.answers = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.answers.put_nowait((data, addr[0]))


class Echo(asyncio.DatagramProtocol):
    """A server that says which of its clients it hears."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data + struct.pack("!H", addr[1]), addr)


def test_each_client_is_another_to_the_service_and_answers_come_from_where_they_were_asked():
    async def work(publisher):
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
        inside = server.get_extra_info("sockname")[1]
        ((_, number),) = opened(publisher, "a", wanted(inside, protocol="udp", addresses=("0.0.0.0",)))
        seen = []
        for host in ("127.0.0.1", "127.0.0.9", "127.0.0.9"):
            client, protocol = await loop.create_datagram_endpoint(Ask, local_addr=("127.0.0.1", 0))
            for _ in range(2):
                client.sendto(b"hello", (host, number))
                data, sender = await protocol.answers.get()
                assert (data[:5], sender) == (b"hello", host)
                seen.append(data[5:])
            client.close()
        assert len({*seen}) == 3
        assert seen[0::2] == seen[1::2]
        server.close()

    run(work)
