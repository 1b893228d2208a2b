import asyncio
import os

from container_runtime.engine.keeping import Lifelines

HANG_LIMIT = 60.0


def test_the_end_of_what_is_watched_is_the_engines() -> None:
    async def main() -> None:
        end = asyncio.Event()
        lifelines = Lifelines(end.set)
        read, write = os.pipe()
        lifelines.watch(read)
        assert not end.is_set()
        os.close(write)
        await asyncio.wait_for(end.wait(), HANG_LIMIT)

    asyncio.run(main())


def test_let_go_it_ends_when_no_client_comes_any_more() -> None:
    async def main() -> None:
        end = asyncio.Event()
        lifelines = Lifelines(end.set)
        read, write = os.pipe()
        lifelines.watch(read)
        lifelines.came()
        lifelines.let_go(0.001)
        os.close(write)  # nobody looks any more
        await asyncio.sleep(0.05)
        assert not end.is_set()
        lifelines.went()
        await asyncio.wait_for(end.wait(), HANG_LIMIT)

    asyncio.run(main())
