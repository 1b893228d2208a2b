"""Docker's rules for paths, without files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine.files.paths import absolute, base, clean, is_below, link_target

PATHS = st.lists(st.sampled_from(["a", "b", "..", ".", ""]), max_size=8).map("/".join)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("data", "/data"),
        ("/data/", "/data/"),
        ("/data/.", "/data/."),
        ("/data/./", "/data/./"),
        ("//data//x", "/data/x"),
        ("/data/../../x", "/x"),
        ("/..", "/"),
        ("/.", "/."),
        (".", "/."),
    ],
)
def test_what_stands_at_the_end_is_kept(path: str, expected: str) -> None:
    assert absolute(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", "/"), ("", "."), ("/a/b", "b"), ("/a/b/", "b"), ("/a/.", "."), ("/a/..", ".."), ("//", "/"), ("a", "a")],
)
def test_the_last_part_is_gos(path: str, expected: str) -> None:
    assert base(path) == expected


@given(PATHS)
def test_a_clean_path_stays_below_the_root(path: str) -> None:
    found = clean(path)
    assert found.startswith("/")
    assert clean(found) == found
    assert not {"..", ".", ""} & {*found[1:].split("/")} or found == "/"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/plain/file", "/plain/file"),
        ("/abs", "/data"),
        ("/abs/x", "/data/x"),
        ("/rel", "/data/f"),
        ("/up", "/etc"),
        ("/broken", "/nowhere/at/all"),
        ("/chain", "/data/f"),
        ("/data/../abs", "/data"),
    ],
)
def test_links_are_followed_as_far_as_they_lead(path: str, expected: str) -> None:
    links = {
        "/abs": "/data",
        "/rel": "data/./f",
        "/up": "../../../etc",
        "/broken": "/nowhere/at/all",
        "/chain": "rel",
    }
    assert link_target(path, links.get) == expected


def test_a_loop_is_an_error() -> None:
    with pytest.raises(OSError, match="too many levels"):
        link_target("/a", {"/a": "b", "/b": "/a"}.get)


@given(PATHS, st.dictionaries(PATHS.map(clean), PATHS.filter(bool), max_size=4))
def test_whatever_links_there_are_the_end_is_below_the_root(path: str, links: dict[str, str]) -> None:
    try:
        found = link_target(path, links.get)
    except OSError:
        return
    assert clean(found) == found


def test_a_name_that_begins_alike_is_not_below() -> None:
    assert is_below("/vol", "/vol")
    assert is_below("/vol/x", "/vol")
    assert not is_below("/volume", "/vol")
    assert is_below("/x", "/")
