"""Lines of output, and looking for one, in pieces of any size."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_containers.handle.logs import Lines, Position, Search

if TYPE_CHECKING:
    from collections.abc import Iterable

PIECES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=9).map(lambda data: data.replace(b"a", b"\n"))))


@given(PIECES)
def test_lines_are_those_of_each_stream_whatever_the_pieces(pieces: list[tuple[int, bytes]]) -> None:
    lines = Lines()
    whole = [line for number, data in pieces for line in lines.feed(number, data) if line.whole]
    rest = {line.stream: line.text for line in lines.unfinished()}
    for number in (1, 2):
        data = b"".join(data for stream, data in pieces if stream == number)
        *texts, last = (text.decode(errors="replace") for text in data.split(b"\n"))
        assert [line.text for line in whole if line.stream == number] == [text.removesuffix("\r") for text in texts]
        assert sum(line.size for line in whole if line.stream == number) == data.rfind(b"\n") + 1
        assert rest.get(number, "") == last


def found(search: Search, pieces: Iterable[tuple[int, bytes]]) -> str | None:
    """What is found in all that was written so far, as ``expect`` does it."""
    for number, data in pieces:
        if match := search.feed(number, data):
            return match[0]
    match = search.settle()
    return match[0] if match else None


@given(st.lists(st.integers(1, 40), max_size=12), st.binary(max_size=3))
def test_each_is_found_once_and_in_order(cuts: list[int], noise: bytes) -> None:
    """Every search reads all from the beginning, in other pieces, and goes on behind the last match."""
    written = b"x 1 x 2\r\n" + noise.replace(b"x", b"").replace(b"\n", b"") + b"\nx 3\n\xc3\xa4 x 4 x 5"
    positions: dict[int, Position] = {}
    seen: list[str | None] = []
    for _ in range(6):
        pieces, rest = [], written
        for cut in cuts:
            pieces.append((1, rest[:cut]))
            rest = rest[cut:]
        search = Search(re.compile(r"x \d"), positions)
        seen.append(found(search, [*pieces, (1, rest)]))
        if seen[-1] is not None:
            positions = search.positions
    assert seen == ["x 1", "x 2", "x 3", "x 4", "x 5", None]


def test_streams_are_apart() -> None:
    search = Search(re.compile("done"), {})
    assert found(search, [(1, b"do"), (2, b"ne"), (2, b"\n"), (1, b"ne\n")]) == "done"
    assert search.positions == {1: Position(0, 4), 2: Position(3)}
    other = Search(re.compile("^ne$"), {1: Position(5)})
    assert found(other, [(1, b"do"), (2, b"ne"), (2, b"\n"), (1, b"ne\n")]) == "ne"


@pytest.mark.parametrize("pieces", [[b"port 80", b"80\n"], [b"port 8", b"0", b"80", b"\n"]])
def test_line_that_grows_is_not_taken_too_early(pieces: list[bytes]) -> None:
    search = Search(re.compile(r"port (\d+)"), {})
    assert search.feed(1, pieces[0]) is None
    assert search.tentative
    results = [search.feed(1, piece) for piece in pieces[1:]]
    match = results[-1]
    assert match is not None
    assert match[1] == "8080"


def test_what_was_seen() -> None:
    search = Search(re.compile("z"), {})
    assert found(search, [(1, b"a\nb\nunfinished")]) is None
    assert (search.seen, search.last) == (2, "b")
