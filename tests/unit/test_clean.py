"""What `clean` finds and leaves alone; its directories are those of the test."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING

import pytest

from container_runtime import clean
from container_runtime.images.held import Held
from container_runtime.kernel import userns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYER = "host-" + "0a" * 16


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where engines have been."""
    home = tmp_path / "run"
    home.mkdir()
    monkeypatch.setattr(clean, "homes", lambda: [home])
    monkeypatch.setattr(clean, "shared_memory", lambda: tmp_path / "shm")
    monkeypatch.setattr(clean, "data_home", lambda: tmp_path / "data")
    monkeypatch.setattr(clean, "_processes", lambda: iter(()))
    monkeypatch.setattr(userns, "needed", lambda: False)
    return home


@pytest.fixture
def living_run(home: Path) -> Iterator[str]:
    path = home / "run-7-abcdef"
    path.mkdir()
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield path.name
    os.close(descriptor)


def leave(home: Path) -> None:
    """What killed engines leave."""
    (home / "run-1-abcdef").mkdir()
    (home / "run-1-abcdef/lock").touch()
    for directory in (home, home.parent / "shm"):
        (directory / LAYER / "etc").mkdir(parents=True)
        (directory / f".{LAYER}-1-abcd").mkdir()
        (directory / "something else").mkdir()
    (home.parent / "data/layers-of-runs/run-2-abcdef/x/upper").mkdir(parents=True)
    (home.parent / "data/images").mkdir()


def test_what_belongs_to_nobody_goes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave(home)
    assert clean.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"removed run {home}/run-1-abcdef",
        f"removed host layer {home}/{LAYER}",
        f"removed host layer {home.parent}/shm/{LAYER}",
        f"removed host layer {home}/.{LAYER}-1-abcd",
        f"removed host layer {home.parent}/shm/.{LAYER}-1-abcd",
        f"removed writable layers {home.parent}/data/layers-of-runs/run-2-abcdef",
    ]
    assert [path.name for path in home.iterdir()] == ["something else"]
    assert sorted(path.name for path in (home.parent / "data").iterdir()) == ["images", "layers-of-runs"]
    assert clean.main([]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_what_an_engine_uses_stays(home: Path, living_run: str, capsys: pytest.CaptureFixture[str]) -> None:
    leave(home)
    held = Held()
    assert held.hold(home / LAYER)
    assert clean.main(["--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"kind": "run", "path": f"{home}/run-1-abcdef"},
        {"kind": "host layer", "path": f"{home.parent}/shm/{LAYER}"},
    ]
    assert (home / LAYER / "etc").is_dir()
    assert (home.parent / "data/layers-of-runs/run-2-abcdef/x/upper").is_dir()
    held.release()
    assert clean.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"removed host layer {home}/{LAYER}",
        f"kept what belongs to the engines that are alive: {living_run}",
    ]


def test_a_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (home / LAYER).symlink_to(tmp_path / "precious")
    (tmp_path / "shm").symlink_to(tmp_path / "precious")
    (tmp_path / "precious" / LAYER).mkdir()
    assert clean.main([]) == 0
    assert (tmp_path / "precious" / LAYER).is_dir()


def test_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert clean.main(["--all"]) == 2
    assert "usage" in capsys.readouterr().err
