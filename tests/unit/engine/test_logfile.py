"""Files of output: bounded, and kept for whoever is still reading."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine.streams import logfile
from container_runtime.engine.streams.logfile import ContainerLog, Cursor


async def everything(cursor):
    parts = []
    while await cursor.more():
        parts += [record.data for record in cursor.read()]
    return b"".join(parts)


def content(log):
    cursor = Cursor(log, log.start, None)
    try:
        return asyncio.run(everything(cursor))
    finally:
        cursor.close()


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_files_are_made_with_the_first_output(tmp_path):
    log = ContainerLog(tmp_path / "log")
    assert list(tmp_path.iterdir()) == []
    log.write(1, b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    log.close()


def test_rotation_keeps_the_newest_within_the_bound(tmp_path):
    log = ContainerLog(tmp_path / "log", 1000, 3)
    for number in range(200):
        log.write(1, f"line {number:04}\n".encode())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    text = content(log)
    assert text.endswith(b"line 0199\n")
    first = 200 - text.count(b"\n")
    assert text == b"".join(f"line {number:04}\n".encode() for number in range(first, 200))
    assert 0 < first < 190
    log.close()


def test_one_file_only(tmp_path):
    log = ContainerLog(tmp_path / "log", 100, 1)
    for _ in range(50):
        log.write(1, b"0123456789\n")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").stat().st_size <= 100
    log.close()


def test_a_chunk_larger_than_a_file_is_cut_at_lines(tmp_path):
    log = ContainerLog(tmp_path / "log", 1000, 2)
    log.write(1, b"0123456789\n" * 1000)
    assert content(log).startswith(b"0123456789\n")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2100
    log.close()


def test_a_reader_keeps_what_is_dropped_while_it_reads(tmp_path):
    before = descriptors()
    log = ContainerLog(tmp_path / "log", 10_000, 2)
    wanted = b"".join(b"%06d\n" % number for number in range(20_000))
    cursor = Cursor(log, 0, log.run)  # before there is any file
    for start in range(0, len(wanted), 700):
        log.write(1, wanted[start : start + 700])
    log.close()
    assert asyncio.run(everything(cursor)) == wanted
    cursor.close()
    assert descriptors() == before


def test_a_reader_that_is_too_slow_goes_on_with_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(logfile, "PATIENCE", 5000)
    before = descriptors()
    log = ContainerLog(tmp_path / "log", 1000, 2)
    cursor = Cursor(log, 0, log.run)
    for number in range(1000):
        log.write(1, b"%06d\n" % number)
    assert descriptors() - before < 9  # a few files of the last 5000 bytes, and no more
    assert cursor.skipped > 10_000
    log.finish()
    rest = asyncio.run(everything(cursor))
    assert rest.endswith(b"000999\n")
    assert b"000000" not in rest
    cursor.close()
    log.close()
    assert descriptors() == before


def test_a_full_disk_loses_output_and_says_how_much(tmp_path):
    (tmp_path / "log.new").symlink_to("/dev/full")
    log = ContainerLog(tmp_path / "log")
    log.write(1, b"x" * 10)
    assert (log.lost, log.end) == (10, 0)
    log.close()


def test_where_no_file_can_be_made_for_a_while(tmp_path):
    log = ContainerLog(tmp_path / "log", 100, 3)
    for _ in range(4):
        log.write(1, b"x" * 70)
    (tmp_path / "log.new").mkdir()
    log.write(1, b"y" * 70)
    log.write(1, b"y" * 70)
    (tmp_path / "log.new").rmdir()
    (tmp_path / "log.1").unlink()
    log.write(1, b"z" * 70)
    assert log.lost == 140
    notice = b"pytest-containers: 140 bytes of output were lost: the disk did not take them\n"
    assert content(log) == b"x" * 140 + notice + b"z" * 70
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    log.close()


def test_a_run_that_ended_does_not_end_the_next(tmp_path):
    log = ContainerLog(tmp_path / "log")

    async def main():
        log.write(1, b"first\n")
        log.finish()
        cursor = Cursor(log, log.end, log.upcoming())
        reading = asyncio.create_task(everything(cursor))
        await asyncio.sleep(0)
        log.write(1, b"second\n")
        log.finish()
        text = await asyncio.wait_for(reading, 5)
        cursor.close()
        return text

    assert asyncio.run(main()) == b"second\n"
    log.close()


@given(
    st.lists(st.tuples(st.sampled_from((1, 2)), st.binary(min_size=1, max_size=3000)), max_size=30),
    st.integers(50, 5000),
    st.integers(1, 4),
)
def test_what_is_kept_is_always_the_end(tmp_path_factory, writes, size, files):
    before = descriptors()
    log = ContainerLog(tmp_path_factory.mktemp("log") / "log", size, files)
    follower = Cursor(log, 0, log.run)
    for stream, data in writes:
        log.write(stream, data)
    log.finish()
    whole = b"".join(data for _, data in writes)
    assert whole.endswith(content(log))
    assert asyncio.run(everything(follower)) == whole
    backwards = [record for segment in reversed(log.segments) for block in segment.backwards() for _, record in block]
    assert b"".join(record.data for record in reversed(backwards)) == content(log)
    follower.close()
    log.close()
    assert descriptors() == before


@pytest.mark.parametrize("broken", [b"half", b"whole\n"])
def test_the_end_of_a_run_marks_a_line_that_was_not_complete(tmp_path, broken):
    log = ContainerLog(tmp_path / "log")
    log.write(2, broken)
    log.finish()
    cursor = Cursor(log, 0, None)
    records = cursor.read()
    assert [(one.stream, one.data) for one in records] == [(2, broken)] + [(2, b"")] * (broken == b"half")
    cursor.close()
    log.close()
