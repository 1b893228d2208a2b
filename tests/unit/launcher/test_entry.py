"""The search for a program, as far as it ends without one: what it finds takes the place of who searches."""

import errno
import os

import pytest

from container_runtime.launcher import entry


def refusal(name, path="/nowhere"):
    process = {"args": [name], "env": ["A", "PATH=" + path, "PATH=/usr/bin"]}
    try:
        entry.Execution(process).start()
    except OSError as error:
        return error.errno, os.fsdecode(error.filename)
    return None


@pytest.fixture
def places(tmp_path):
    """A directory with a file that is no program, and one with nothing."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prog").write_text("", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    return f"{tmp_path}/data", f"{tmp_path}/empty"


def test_what_is_nowhere_is_named_as_it_was_asked_for(places):
    assert refusal("prog", places[1]) == (errno.ENOENT, "prog")
    assert refusal("prog", f"{places[0]}/prog:{places[1]}:") == (errno.ENOENT, "prog")  # one is not a directory


def test_what_may_not_be_executed_is_named_where_it_lies_after_all_places_were_searched(places):
    data, empty = places
    assert refusal("prog", f"{data}:{empty}") == (errno.EACCES, f"{data}/prog")
    assert refusal("prog", f"{empty}:{data}") == (errno.EACCES, f"{data}/prog")


def test_a_path_is_not_searched_for(places):
    data, empty = places
    assert refusal(f"{data}/prog", empty) == (errno.EACCES, f"{data}/prog")
    assert refusal(f"{empty}/prog", data) == (errno.ENOENT, f"{empty}/prog")
    assert refusal(f"{data}/prog/x", data) == (errno.ENOTDIR, f"{data}/prog/x")


def test_another_refusal_ends_the_search(places):
    name = "x" * 300
    assert refusal(name, ":".join(places)) == (errno.ENAMETOOLONG, f"{places[0]}/{name}")
