"""Run directories: who owns one, and what is left of one that nobody owns."""

import os

import pytest

from container_runtime.errors import Conflict, EngineError
from container_runtime.state import paths
from container_runtime.state.rundir import RunDirectory, filesystem_of
from container_runtime.state.sweep import sweep


@pytest.fixture(autouse=True)
def _own_data(monkeypatch, tmp_path):
    monkeypatch.setenv(paths.DATA_VARIABLE, str(tmp_path / "data"))


def test_a_run_is_locked_and_goes_without_trace(tmp_path):
    run = RunDirectory(tmp_path / "home" / "run")
    with pytest.raises(Conflict, match="another engine"):
        RunDirectory(tmp_path / "home" / "run")
    assert run.path.stat().st_mode & 0o777 == 0o700
    assert filesystem_of(run.layers) != "overlay"
    run.remove()
    assert not run.path.exists()
    assert not run.layers.exists()


def test_the_sweep_takes_the_dead_and_leaves_the_living(tmp_path):
    home = tmp_path / "home"
    dead, living = RunDirectory(home / "dead"), RunDirectory(home / "living")
    (dead.layers / "id" / "upper").mkdir(parents=True)
    victim = tmp_path / "keep"
    victim.mkdir()
    dead.record("directory", str(victim))  # a ledger that lies is not believed
    os.close(dead.lock)
    assert sweep(home) == ["dead"]
    assert not dead.path.exists()
    assert not dead.layers.exists()
    assert victim.exists()
    assert living.path.exists()
    living.remove()


def test_a_directory_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot make the directory"):
        paths.private_directory(tmp_path / "file" / "below")


def test_a_path_with_a_newline_does_not_get_into_the_ledger(tmp_path):
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(EngineError, match="newline"):
        run.record("directory", "a\ncgroup /sys/fs/cgroup")
    run.remove()
