"""Framing, pipes and terminals on a real loop."""

import asyncio
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine.streams.streams import (
    InputPipe,
    Outlet,
    OutputPipe,
    frame,
    pipe_for_reading,
    pipe_for_writing,
    pump,
)


@given(st.lists(st.tuples(st.sampled_from((1, 2)), st.binary(max_size=100))))
def test_frames_can_be_taken_apart_again(parts):
    data = b"".join(frame(stream, content) for stream, content in parts)
    found = []
    while data:
        stream, length = struct.unpack(">B3xI", data[:8])
        found.append((stream, data[8 : 8 + length]))
        data = data[8 + length :]
    assert found == parts


class Sink:
    def __init__(self, *, broken=False):
        self.data = b""
        self.broken = broken

    def write(self, data):
        self.data += data

    async def drain(self):
        if self.broken:
            raise ConnectionResetError
        await asyncio.sleep(0)


def test_pump_copies_until_the_end():
    async def main():
        read, write = pipe_for_reading()
        sink, ended = Sink(), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(pump(read, 1, Outlet(sink, framed=True), ended))
        os.write(write, b"one")
        await asyncio.sleep(0.01)
        os.write(write, b"two")
        os.close(write)
        await asyncio.wait_for(task, 5)
        return sink.data

    assert asyncio.run(main()) == frame(1, b"one") + frame(1, b"two")


def test_pump_does_not_wait_for_what_was_left_in_the_background():
    async def main():
        read, write = pipe_for_reading()
        sink, ended = Sink(), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(pump(read, 1, Outlet(sink), ended))
        os.write(write, b"last words")
        ended.set_result(None)
        await asyncio.wait_for(task, 5)
        os.close(write)
        return sink.data

    assert asyncio.run(main()) == b"last words"


def test_pump_goes_on_without_a_reader():
    async def main():
        read, write = pipe_for_reading()
        ended = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(pump(read, 1, Outlet(Sink(broken=True)), ended))
        for _ in range(40):  # more than the pipe holds
            await asyncio.to_thread(os.write, write, b"x" * 65536)
        os.close(write)
        await asyncio.wait_for(task, 5)

    asyncio.run(main())


def test_input_waits_for_a_slow_reader():
    async def main():
        read, write = pipe_for_writing()
        pipe = InputPipe(write)
        data = os.urandom(300_000)
        task = asyncio.create_task(pipe.write(data))
        await asyncio.sleep(0)
        assert not task.done()
        got = b""
        while len(got) < len(data):
            got += await asyncio.to_thread(os.read, read, 65536)
        await asyncio.wait_for(task, 5)
        pipe.close()
        os.close(read)
        return got == data

    assert asyncio.run(main())


def test_input_that_nobody_reads():
    async def main():
        read, write = pipe_for_writing()
        os.close(read)
        pipe = InputPipe(write)
        with pytest.raises(BrokenPipeError):
            await pipe.write(b"x")
        pipe.close()
        pipe.close()
        with pytest.raises(BrokenPipeError):
            await pipe.write(b"x")

    asyncio.run(main())


def test_output_is_taken_to_the_last_byte():
    async def main():
        read, write = pipe_for_reading()
        got = []
        pipe = OutputPipe(read, got.append)
        os.write(write, b"x" * 65536)
        pipe.drain_and_close()
        os.close(write)
        return b"".join(got)

    assert asyncio.run(main()) == b"x" * 65536


def test_writers_take_turns():
    async def main():
        read, write = pipe_for_writing()
        pipe = InputPipe(write)
        parts = [letter * 200_000 for letter in (b"a", b"b", b"c")]
        tasks = [asyncio.create_task(pipe.write(part)) for part in parts]
        got = b""
        while len(got) < 600_000:
            got += await asyncio.to_thread(os.read, read, 65536)
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        pipe.close()
        os.close(read)
        return got == b"".join(parts)

    assert asyncio.run(main())
