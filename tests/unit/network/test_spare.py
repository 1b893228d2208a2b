"""The sandbox in waiting: taken where it fits, let go where not, never left behind."""

import asyncio
from types import SimpleNamespace

from container_runtime.errors import EngineError
from container_runtime.network.spare import SpareSandbox


class Makes:
    def __init__(self, fails=False):
        self.made, self.buried, self.fails = [], [], fails
        self.happened = asyncio.Event()
        self.spare = SpareSandbox(self.make, self.buried.append)

    def make(self, network):
        self.happened.set()
        if self.fails:
            raise EngineError("no room")
        self.made.append(
            SimpleNamespace(network=network, ready=SimpleNamespace(address="198.18.0.9") if network else None)
        )
        return self.made[-1]

    async def prepared(self):
        self.happened.clear()
        self.spare.prepare_soon()
        await asyncio.wait_for(self.happened.wait(), 10)


def run(test):
    async def inside():
        await test(Makes())

    asyncio.run(inside())


def test_one_like_the_last_is_made_and_taken():
    async def test(makes):
        network = object()
        assert makes.spare.take(network) is None
        await makes.prepared()
        assert makes.spare.address_in(network) == "198.18.0.9"
        assert makes.spare.address_in(object()) == ""
        assert makes.spare.take(network) is makes.made[0]
        assert makes.spare.address_in(network) == ""
        assert makes.buried == []

    run(test)


def test_one_of_another_network_goes():
    async def test(makes):
        makes.spare.take(None)
        await makes.prepared()
        assert makes.spare.take(object()) is None
        assert makes.buried == makes.made

    run(test)


def test_nothing_waits_in_a_network_that_goes():
    async def test(makes):
        network = object()
        makes.spare.take(network)
        makes.spare.prepare_soon()
        makes.spare.forget(object())
        makes.spare.forget(network)
        makes.spare.prepare_soon()
        makes.spare.take(None)
        await makes.prepared()
        assert [one.network for one in makes.made] == [None]

    run(test)


def test_a_failure_is_left_to_the_next_start():
    async def test(makes):
        makes.fails = True
        makes.spare.take(None)
        await makes.prepared()
        assert makes.spare.take(None) is None
        makes.spare.discard()
        assert makes.buried == []

    run(test)
