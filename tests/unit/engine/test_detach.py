"""Detach keys, in whatever pieces they are typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine.streams.detach import DEFAULT, Watcher, parse
from container_runtime.errors import InvalidParameter


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", b"\x10\x11"),
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("a", b"a"),
        ("ctrl-a,b", b"\x01b"),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\0\x1b\x1c\x1d\x1e\x1f"),
    ],
)
def test_keys(text, keys):
    assert parse(text) == keys


@pytest.mark.parametrize("text", ["ctrl-1", "ctrl-", "ab", "a,,b", "ctrl-é", "é", "shift-a"])
def test_no_keys(text):
    with pytest.raises(InvalidParameter, match="Invalid detach keys"):
        parse(text)


def test_what_comes_before_the_keys_is_passed_on():
    watcher = Watcher(DEFAULT)
    assert watcher.feed(b"ls\n\x10\x11more") == b"ls\n"
    assert watcher.detached


def test_half_of_the_keys_is_passed_on_when_it_was_not_meant():
    watcher = Watcher(DEFAULT)
    assert watcher.feed(b"a\x10") == b"a"
    assert watcher.feed(b"\x10") == b"\x10"
    assert watcher.feed(b"b") == b"\x10b"
    assert not watcher.detached


@given(
    st.lists(st.sampled_from([b"a", b"b", b"ab", b"aa", b"c", b"aab"]), max_size=20),
    st.sampled_from([b"ab", b"aab", b"a"]),
)
def test_pieces_make_no_difference(pieces, keys):
    watcher, passed = Watcher(keys), b""
    for piece in pieces:
        passed += watcher.feed(piece)
        if watcher.detached:
            break
    whole = b"".join(pieces)
    if keys in whole:
        assert watcher.detached
        assert passed == whole[: whole.index(keys)]
    else:
        assert not watcher.detached
        assert whole.startswith(passed)
        assert len(whole) - len(passed) < len(keys)
