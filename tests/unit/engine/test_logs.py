"""A container's log: written once, read by many, lines found when they are asked for."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine.logs import ContainerLog, Selection, read_log, timestamp
from container_runtime.engine.streams import frame


async def collect(log, selection, offset=0):
    return b"".join([block async for block in read_log(log, selection, offset)])


def read(log, selection):
    return asyncio.run(collect(log, selection))


PLAIN = Selection(framed=False)


@pytest.fixture
def log(tmp_path):
    made = ContainerLog(tmp_path / "log")
    yield made
    made.release()


def test_both_streams_in_order(log):
    log.write(1, b"a\n")
    log.write(2, b"b\n")
    log.write(1, b"c\n")
    assert read(log, PLAIN) == b"a\nb\nc\n"
    assert read(log, Selection(streams=frozenset((2,)))) == frame(2, b"b\n")


def test_an_empty_log(log):
    assert read(log, PLAIN) == b""
    assert read(log, PLAIN._replace(tail=5)) == b""


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (0, b""),
        (1, b"five"),
        (2, b"four\nfive"),
        (99, b"one\ntwo\nthree\nfour\nfive"),
        (None, b"one\ntwo\nthree\nfour\nfive"),
    ],
)
def test_tail_counts_lines_not_writes(log, tail, expected):
    for chunk in (b"on", b"e\ntwo\nthr", b"ee\nfour\nfive"):
        log.write(1, chunk)
    assert read(log, PLAIN._replace(tail=tail)) == expected


def test_timestamps_stand_before_lines_only(log):
    log.write(1, b"half ")
    log.write(1, b"line\nnext\n")
    lines = read(log, PLAIN._replace(timestamps=True)).split(b"\n")
    assert [line.partition(b" ")[2] for line in lines] == [b"half line", b"next", b""]
    assert lines[0].startswith(b"20")


def test_since_and_until(log):
    log.write(1, b"x\n")
    assert read(log, PLAIN._replace(since=2**62)) == b""
    assert read(log, PLAIN._replace(until=1)) == b""


def test_follow_ends_with_the_container(log):
    async def main():
        reading = asyncio.create_task(collect(log, PLAIN._replace(follow=True)))
        await asyncio.sleep(0)
        log.write(1, b"later\n")
        await asyncio.sleep(0)
        log.write(1, b"last\n")
        log.finish()
        return await asyncio.wait_for(reading, 5)

    assert asyncio.run(main()) == b"later\nlast\n"


def test_a_reader_keeps_the_file_of_a_removed_container(tmp_path):
    log = ContainerLog(tmp_path / "log")
    for _ in range(30):
        log.write(1, b"x" * 65536)
    log.finish()

    async def main():
        blocks = read_log(log, PLAIN._replace(follow=True))
        first = await anext(blocks)
        log.release()
        (tmp_path / "log").unlink()
        return len(first) + sum([len(block) async for block in blocks])

    assert asyncio.run(main()) == 30 * 65536


def test_a_full_disk_loses_output_and_says_how_much():
    log = ContainerLog("/dev/full")
    log.write(1, b"x" * 10)
    assert (log.lost, log.size) == (10, 0)
    log.release()


@given(st.lists(st.tuples(st.sampled_from((1, 2)), st.binary(min_size=1, max_size=40))), st.integers(0, 12))
def test_tail_is_the_end_of_what_was_written(tmp_path_factory, writes, tail):
    path = tmp_path_factory.mktemp("log") / "log"
    log = ContainerLog(path)
    for _, data in writes:
        log.write(1, data)
    whole = b"".join(data for _, data in writes)
    lines = whole.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
        expected = b"".join(line + b"\n" for line in lines[max(0, len(lines) - tail) :])
    else:
        expected = b"\n".join(lines[max(0, len(lines) - tail) :]) if tail else b""
    assert read(log, PLAIN._replace(tail=tail)) == expected
    log.release()
    path.unlink(missing_ok=True)


def test_timestamp_has_nine_digits():
    assert timestamp(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z"
