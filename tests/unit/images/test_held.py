"""Directories that several engines use and `clean` removes when none does."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from container_runtime.images.held import Held, remove_unheld

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_held_stays(tmp_path: Path) -> None:
    path = tmp_path / "layer"
    (path / "inside").mkdir(parents=True)
    one, other = Held(), Held()
    assert one.hold(path)
    assert other.hold(path)
    one.release()
    assert not remove_unheld(path)
    assert (path / "inside").is_dir()
    other.release()
    other.release()
    assert remove_unheld(path)
    assert not [*tmp_path.iterdir()]
    assert not remove_unheld(path)
    assert not one.hold(path)


def test_a_holder_that_ends_in_any_way_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "layer"
    path.mkdir()
    script = "import sys; from pathlib import Path; from container_runtime.images.held import Held; held = Held(); "
    script += "assert held.hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        assert not remove_unheld(path)
        holder.kill()
        holder.wait()
        assert remove_unheld(path)


def test_a_directory_that_was_made_anew_is_another(tmp_path: Path) -> None:
    path = tmp_path / "layer"
    path.mkdir()
    held = Held()
    assert held.hold(path)
    path.rename(tmp_path / "old")
    path.mkdir()
    assert remove_unheld(path)
    assert not remove_unheld(tmp_path / "old")
    held.release()
