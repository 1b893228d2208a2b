"""Lines as Docker's logs have them, made of what came in any pieces. The expected bytes are those of Docker 28.5."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine.streams.logfile import ContainerLog, Cursor
from container_runtime.engine.streams.logs import PIECE, Selection, read_log, read_stream, timestamp
from container_runtime.engine.streams.streams import frame


async def collect(log, selection):
    return b"".join([block async for block in read_log(log, selection)])


def read(log, selection):
    return asyncio.run(collect(log, selection))


PLAIN = Selection(framed=False)


@pytest.fixture
def log(tmp_path):
    made = ContainerLog(tmp_path / "log")
    yield made
    made.close()


def test_both_streams_in_order(log):
    log.write(1, b"a\n")
    log.write(2, b"b\n")
    log.write(1, b"c\n")
    assert read(log, PLAIN) == b"a\nb\nc\n"
    assert read(log, Selection(streams=frozenset((2,)))) == frame(2, b"b\n")


def test_each_line_is_a_frame(log):
    log.write(1, b"one\ntwo\nthr")
    log.write(1, b"ee\n")
    assert read(log, Selection()) == frame(1, b"one\n") + frame(1, b"two\n") + frame(1, b"three\n")


def test_a_line_appears_when_it_is_complete_or_its_run_ends(log):
    log.write(1, b"ab")
    log.write(2, b"err\n")
    assert read(log, PLAIN) == b"err\n"
    log.finish()
    assert read(log, PLAIN) == b"err\nab"
    log.upcoming()
    log.write(1, b"cd\n")
    assert read(log, Selection()) == frame(2, b"err\n") + frame(1, b"ab") + frame(1, b"cd\n")


def test_long_lines_are_cut_and_all_pieces_have_one_time(log):
    log.write(1, b"x" * 30_000)
    log.write(1, b"x" * 10_000 + b"\nend\n")
    parts = [16384, 16384, 7233]
    assert read(log, Selection()) == b"".join(
        frame(1, text) for text in (b"x" * parts[0], b"x" * parts[1], b"x" * 7232 + b"\n", b"end\n")
    )
    stamped = read(log, PLAIN._replace(timestamps=True)).split(b"Z ")
    assert len(stamped) == 5
    assert stamped[1][-29:] == stamped[2][-29:] == stamped[0][-29:]
    assert len(read(log, PLAIN._replace(tail=2))) == 7233 + 4


def test_a_line_of_exactly_a_piece(log):
    log.write(1, b"y" * PIECE + b"\n")
    assert read(log, Selection()) == frame(1, b"y" * PIECE) + frame(1, b"\n")


def test_an_empty_log(log):
    assert read(log, PLAIN) == b""
    assert read(log, PLAIN._replace(tail=5)) == b""


@pytest.mark.parametrize(
    ("tail", "expected"),
    [(0, b""), (1, b"five"), (2, b"four\nfive"), (99, b"one\ntwo\nthree\nfour\nfive")],
)
def test_tail_counts_lines_not_writes(log, tail, expected):
    for chunk in (b"on", b"e\ntwo\nthr", b"ee\nfour\nfive"):
        log.write(1, chunk)
    log.finish()
    assert read(log, PLAIN._replace(tail=tail)) == expected


def test_tail_counts_the_lines_of_both_streams(log):
    log.write(1, b"end\n")
    log.write(2, b"err\n")
    only = PLAIN._replace(streams=frozenset((1,)))
    assert read(log, only._replace(tail=1)) == b""
    assert read(log, only._replace(tail=2)) == b"end\n"


def test_timestamps_and_details_stand_before_lines_only(log):
    log.write(1, b"half ")
    log.write(1, b"line\nnext\n")
    lines = read(log, PLAIN._replace(timestamps=True, details="a=b")).split(b"\n")
    assert [line.partition(b" ")[2] for line in lines] == [b"a=b half line", b"a=b next", b""]
    assert lines[0].startswith(b"20")
    assert read(log, PLAIN._replace(details="")) == b" half line\n next\n"


def test_since_and_until(log):
    log.write(1, b"x\n")
    assert read(log, PLAIN._replace(since=2**62)) == b""
    assert read(log, PLAIN._replace(until=1)) == b""
    assert read(log, PLAIN._replace(until=2**62)) == b"x\n"


def test_follow_ends_with_the_run(log):
    async def main():
        reading = asyncio.create_task(collect(log, PLAIN._replace(follow=True)))
        await asyncio.sleep(0)
        log.write(1, b"later\n")
        await asyncio.sleep(0)
        log.write(1, b"last\n")
        log.finish()
        log.upcoming()
        log.write(1, b"the next run's\n")
        return await asyncio.wait_for(reading, 5)

    assert asyncio.run(main()) == b"later\nlast\n"


def test_what_is_attached_gets_bytes_at_once(log):
    async def main():
        cursor = Cursor(log, log.end, log.upcoming())
        blocks = read_stream(cursor, frozenset((1, 2)), framed=True)
        log.write(1, b"$ ")
        first = await anext(blocks)
        log.write(2, b"e")
        log.finish()
        rest = [block async for block in blocks]
        cursor.close()
        return first, rest

    assert asyncio.run(main()) == (frame(1, b"$ "), [frame(2, b"e")])


def test_timestamp_has_nine_digits():
    assert timestamp(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z"


def lines_of(writes):
    """What the log's lines are, by the simplest means: a line belongs where it is complete."""
    rest, lines = {1: b"", 2: b""}, []
    for stream, data in writes:
        *whole, rest[stream] = (rest[stream] + data).split(b"\n")
        lines += [(stream, line + b"\n") for line in whole]
    return lines + [(stream, rest[stream]) for stream in (1, 2) if rest[stream]]


@given(
    st.lists(
        st.tuples(st.sampled_from((1, 2)), st.binary(min_size=1, max_size=40).map(lambda b: b.replace(b"\1", b"\n")))
    ),
    st.integers(0, 12),
)
def test_tail_is_the_end_of_what_was_written(tmp_path_factory, writes, tail):
    log = ContainerLog(tmp_path_factory.mktemp("log") / "log")
    for stream, data in writes:
        log.write(stream, data)
    log.finish()
    lines = lines_of(writes)
    wanted = lines[max(0, len(lines) - tail) :] if tail else []
    assert read(log, Selection(tail=tail)) == b"".join(frame(*line) for line in wanted)
    assert read(log, Selection()) == b"".join(frame(*line) for line in lines)
    log.close()
