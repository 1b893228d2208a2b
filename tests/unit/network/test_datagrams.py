"""Flows of datagrams, between sockets of the machine's loopback."""

import asyncio
import socket

from container_runtime.network.datagrams import Flow, Flows
from container_runtime.network.egress_datagrams import original_destination

HANG = 60
A = (None, "a")


def pair():
    """A socket that is connected to another one, which answers."""
    there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    there.bind(("127.0.0.1", 0))
    ahead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ahead.setblocking(False)
    ahead.connect(there.getsockname())
    return ahead, there


def run(work, **options):
    async def main():
        flows = Flows(**options)
        try:
            await asyncio.wait_for(work(flows), HANG)
        finally:
            flows.close()
            assert len(flows) == 0

    asyncio.run(main())


class Ending:
    """What a flow owns beside its socket: tells that it was closed."""

    def __init__(self):
        self.closed = asyncio.Event()

    def close(self):
        self.closed.set()


def ignore(_):
    """For flows whose answers do not matter."""


def test_answers_go_back():
    async def work(flows):
        ahead, there = pair()
        answers = asyncio.Queue()
        with there:
            for number in range(2):
                flows.send(A, b"%d" % number, lambda: Flow(ahead, answers.put_nowait))
                data, sender = there.recvfrom(10)
                there.sendto(data * 2, sender)
                assert await answers.get() == b"%d" % number * 2
            assert len(flows) == 1

    run(work)


def test_who_is_not_connected_hears_its_destination_s_port_only():
    async def work(flows):
        answers = asyncio.Queue()
        connected, there = pair()
        connected.close()
        ahead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ahead.setblocking(False)
        destination = ("127.0.0.9", there.getsockname()[1])
        with (
            there,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere,
        ):
            elsewhere.bind(destination)
            flows.send(A, b"x", lambda: Flow(ahead, answers.put_nowait, destination=destination))
            _, sender = elsewhere.recvfrom(10)
            stranger.sendto(b"wrong", ("127.0.0.1", sender[1]))
            there.sendto(b"right", ("127.0.0.1", sender[1]))
            assert await answers.get() == b"right"

    run(work)


def test_the_one_that_was_silent_for_longest_makes_room():
    async def work(flows):
        made, answering = {}, []

        def start(key):
            made[key], there = pair()
            answering.append(there)
            return Flow(made[key], ignore)

        for key in ("a", "b", "a", "c"):
            flows.send((None, key), b"x", lambda key=key: start(key))
        assert {key: one.fileno() >= 0 for key, one in made.items()} == {"a": True, "b": False, "c": True}
        for there in answering:
            there.close()

    run(work, most=2)


def test_a_listener_s_flows_end_with_it():
    async def work(flows):
        first, second = (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        )
        with first, second:
            made = [pair() for _ in range(3)]
            for listener, (ahead, _), number in zip((first, second, first), made, range(3), strict=True):
                flows.send((listener, number), b"x", lambda ahead=ahead: Flow(ahead, ignore))
            flows.end_of(first)
            assert [ahead.fileno() >= 0 for ahead, _ in made] == [False, True, False]
            for _, there in made:
                there.close()

    run(work)


def test_what_is_silent_ends():
    async def work(flows):
        (ahead, there), end = pair(), Ending()
        with there:
            flows.send(A, b"x", lambda: Flow(ahead, ignore, end))
            await end.closed.wait()
            assert ahead.fileno() < 0

    run(work, idle=0.0)


def test_where_nobody_is_the_flow_ends():
    async def work(flows):
        (ahead, there), end = pair(), Ending()
        there.close()
        flows.send(A, b"x", lambda: Flow(ahead, ignore, end))
        await end.closed.wait()

    run(work)


def test_a_flow_that_cannot_be_made_is_nothing():
    async def work(flows):
        def refuse():
            raise OSError(101, "Network is unreachable")

        flows.send(A, b"x", refuse)
        assert len(flows) == 0

    run(work)


def test_where_a_datagram_was_going():
    address = bytes([2, 0, 0, 53, 192, 0, 2, 7]) + bytes(8)
    assert original_destination([(0, 20, address)]) == ("192.0.2.7", 53)
    assert original_destination([(0, 8, address), (1, 20, address)]) is None
    assert original_destination([(0, 20, b"short")]) is None
