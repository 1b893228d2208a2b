"""Lines from threads to a client that is slow, or gone."""

import asyncio
import threading

import pytest

from container_runtime.api.progress import Progress
from container_runtime.engine.files.transfer import in_thread
from container_runtime.errors import Unavailable


def test_lines_come_in_order_and_end_with_the_work():
    async def check():
        progress = Progress(room=1)

        def work():
            for number in range(100):
                progress.report({"number": number})

        doing = in_thread(work)
        doing.add_done_callback(progress.end)
        assert [line["number"] async for line in progress.lines()] == [*range(100)]
        await doing

    asyncio.run(check())


def test_threads_that_wait_for_a_client_give_up_when_it_goes():
    async def check():
        progress = Progress(room=1)
        waiting = threading.Semaphore(0)

        def work():
            progress.report({})
            waiting.release()
            progress.report({})
            progress.report({})

        both = [in_thread(work) for _ in range(2)]
        for doing in both:
            doing.add_done_callback(progress.end)
        await asyncio.to_thread(waiting.acquire)
        progress.abandon()
        for doing in both:
            with pytest.raises(Unavailable, match="has gone"):
                await asyncio.wait_for(doing, 60)

    asyncio.run(check())
