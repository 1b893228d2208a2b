"""Pure parts of tests in containers: frames, places, what is mounted."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_containers.inside import boot
from pytest_containers.isolation import place, settings
from pytest_containers.isolation.warm import Frames


def mark(*args, **kwargs):
    return pytest.mark.in_container(*args, **kwargs).mark


def test_equal_arguments_are_one_place_whatever_the_time_limit():
    one = place.place(mark("host", env={"A": "b"}, memory="64m", timeout=5), {})
    assert one == place.place(mark(image="host", memory="64m", env={"A": "b"}), {})
    assert one != place.place(mark(memory="65m", env={"A": "b"}), {})


def test_a_place_in_words():
    assert (
        str(place.place(mark("a", python="python3", network=False, pids=5), {}))
        == "image a, python3, no network, pids 5"
    )


def test_cases_are_the_product_in_order():
    found = place.cases(mark(image=["a", "b"], python={"old": "x", "new": "y"}))
    assert [key for key, _ in found] == ["a-old", "a-new", "b-old", "b-new"]
    assert found[1][1] == {"image": "a", "python": "y"}
    assert place.cases(mark("a", python="x")) == []


@given(
    st.lists(st.tuples(st.sampled_from(b"POE"), st.binary(min_size=1, max_size=300)), max_size=8),
    st.integers(1, 50),
)
def test_frames_survive_any_pieces(written, size):
    reader, writer = os.pipe()
    saved = os.dup(1)
    os.dup2(writer, 1)
    try:
        for kind, data in written:
            boot.frame(kind, data)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(writer)
    with os.fdopen(reader, "rb") as file:
        stream = file.read()
    frames = Frames()
    found = [frame for at in range(0, len(stream), size) for frame in frames.feed(stream[at : at + size])]
    assert found == written


def test_only_the_outermost_directories_are_mounted(tmp_path):
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    other = tmp_path / "c"
    other.mkdir()
    assert settings._outermost([inner, tmp_path / "a", other, tmp_path / "none", Path("/")]) == [tmp_path / "a", other]


def test_path_entries_of_the_project_without_those_of_its_environment(tmp_path, monkeypatch):
    own, packages = tmp_path / "src", tmp_path / ".venv/lib/python3.12/site-packages"
    monkeypatch.setattr("sys.path", ["/usr/lib/python3", str(own), str(packages)])
    assert settings._project_path(tmp_path) == [str(own)]


def test_variables_of_this_run_alone_are_not_passed(monkeypatch):
    for name in ("PYTHONPATH", "PYTEST_CURRENT_TEST", "PYTHONHOME", "SECRET_TOKEN", "LC_ALL"):
        monkeypatch.setenv(name, "x")
    passed = settings._environment(read_only=True)
    assert {"PYTHONPATH", "LC_ALL", "PYTHONDONTWRITEBYTECODE"} <= passed.keys()
    assert not {"PYTEST_CURRENT_TEST", "PYTHONHOME", "SECRET_TOKEN"} & passed.keys()
