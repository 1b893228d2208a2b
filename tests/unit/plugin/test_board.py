"""What the processes of a run tell each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_containers.errors import ContainerError
from pytest_containers.files import File
from pytest_containers.sharing.board import Board
from pytest_containers.sharing.fields import content_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


def refuse(again: bool) -> dict[str, str]:
    raise AssertionError(again)


def test_a_thing_is_made_once(board: Board) -> None:
    made, mine = board.once("container", "db", {"Env": "1"}, "gw0", lambda again: {"id": f"made again: {again}"})
    found, found_mine = board.once("container", "db", {"Env": "1"}, "gw1", refuse)
    assert (mine, found_mine) == (True, False)
    assert made == found
    assert found["id"] == "made again: False"


def test_who_follows_somebody_lost_is_told(board: Board) -> None:
    with pytest.raises(KeyboardInterrupt):
        board.once("container", "db", {}, "gw0", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert board.once("container", "db", {}, "gw1", lambda again: {"id": str(again)})[0]["id"] == "True"


def test_an_error_is_told_to_the_others(board: Board) -> None:
    with pytest.raises(AssertionError, match="seeding failed"):
        board.once("container", "db", {}, "gw0", lambda _: (_ for _ in ()).throw(AssertionError("seeding failed")))
    with pytest.raises(ContainerError, match="seeding failed"):
        board.once("container", "db", {}, "gw1", refuse)
    assert board.records() == []


def test_differences_are_named(board: Board) -> None:
    board.once("container", "db", {"Env": "1", "Cmd": "1"}, "gw0 (a.py:1)", lambda _: {"id": "1"})
    with pytest.raises(ContainerError, match=r"differ in Env, User: gw0 \(a.py:1\) and gw1 \(a.py:1\)"):
        board.once("container", "db", {"Env": "2", "Cmd": "1", "User": "1"}, "gw1 (a.py:1)", refuse)


def test_the_last_made_is_removed_first(board: Board) -> None:
    for key in ("network", "db", "app"):
        board.once("container", key, {}, "gw0", lambda _, key=key: {"id": key})
    assert [record["id"] for record in board.records()] == ["app", "db", "network"]
    board.forget()
    assert board.records() == []


def test_only_the_first_is_first(board: Board) -> None:
    with pytest.raises(OSError, match="lost"), board.first("fill"):
        raise OSError("lost")
    for expected in (True, False):
        with board.first("fill") as first:
            assert first is expected


def test_workers_are_counted_once(board: Board) -> None:
    with board.locked("end"):
        assert [board.finished(worker) for worker in ("gw0", "gw0", "gw2")] == [1, 1, 2]


def test_somebody_elses_directory_is_refused(board: Board, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    board.directory.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ContainerError, match="is not a directory of user"), board.locked("x"):
        pass


def test_contents_are_compared_and_not_their_places(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "file").write_text("same")
        (tmp_path / name / "link").symlink_to("sub")
    assert content_of(tmp_path / "a") == content_of(tmp_path / "b")
    (tmp_path / "b" / "sub" / "file").write_text("other")
    assert content_of(tmp_path / "a") != content_of(tmp_path / "b")
    assert content_of("text") == content_of(b"text") != content_of(File("text", mode=0o600))
