"""What differs between a writable layer and what is below it, on directories that were made by hand."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from container_runtime.engine.files.changes import ADDED, DELETED, MODIFIED, Part, compare


@pytest.fixture
def part(tmp_path: Path) -> Part:
    lower = tmp_path / "lower"
    for name in ("etc", "data/deep"):
        (lower / name).mkdir(parents=True)
    for name in ("etc/passwd", "data/f", "data/deep/g"):
        (lower / name).write_text(name)
    (lower / "link").symlink_to("data")
    (tmp_path / "upper").mkdir()
    return Part("/", tmp_path / "upper", (str(lower),))


def found(part: Part) -> dict[str, int]:
    return {change.path: change.kind for change in compare([part])}


def copy_up(part: Part, name: str) -> Path:
    """As overlayfs does it before a file is written to."""
    target = part.upper / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(f"{part.lower[0]}/{name}", target)
    return target


def test_a_layer_that_was_never_made_has_no_changes(part: Part) -> None:
    part.upper.rmdir()
    assert found(part) == {}


def test_a_copy_that_was_not_written_to_is_no_change(part: Part) -> None:
    copy_up(part, "data/deep/g")
    assert found(part) == {}


def test_a_change_marks_the_directories_above_it(part: Part) -> None:
    copy_up(part, "data/deep/g").write_text("other")
    assert found(part) == {"/data": MODIFIED, "/data/deep": MODIFIED, "/data/deep/g": MODIFIED}


def test_a_mode_is_enough(part: Part) -> None:
    copy_up(part, "data/f").chmod(0o600)
    (part.upper / "etc").mkdir(mode=0o700)
    assert found(part) == {"/data": MODIFIED, "/data/f": MODIFIED, "/etc": MODIFIED}


def test_new_trees_are_listed_whole_parents_first(part: Part) -> None:
    (part.upper / "n/m").mkdir(parents=True)
    (part.upper / "n/m/o").touch()
    (part.upper / "n/a").symlink_to("/x")
    assert [(change.path, change.kind) for change in compare([part])] == [
        ("/n", ADDED),
        ("/n/a", ADDED),
        ("/n/m", ADDED),
        ("/n/m/o", ADDED),
    ]


def test_a_whiteout_is_a_deletion_of_what_was_there(part: Part) -> None:
    (part.upper / "data").mkdir()
    for name in ("data/f", "data/never"):
        os.mknod(part.upper / name, stat.S_IFCHR, os.makedev(0, 0))
    assert found(part) == {"/data": MODIFIED, "/data/f": DELETED}


def test_a_directory_in_the_place_of_a_link_has_only_new_things(part: Part) -> None:
    (part.upper / "link").mkdir()
    (part.upper / "link/f").touch()
    assert found(part) == {"/link": MODIFIED, "/link/f": ADDED}


def test_the_engines_own_places_do_not_count(part: Part) -> None:
    for name in ("etc", "proc", "dev", "sys"):
        (part.upper / name).mkdir()
    for name in ("hosts", "hostname", "resolv.conf"):
        (part.upper / "etc" / name).touch()
    assert found(part) == {}
    (part.upper / "etc/hosts").write_text("written")
    (part.upper / "proc/x").touch()
    assert found(part) == {"/etc": MODIFIED, "/etc/hosts": ADDED, "/proc": MODIFIED, "/proc/x": ADDED}


def test_parts_have_their_places_before_their_paths(part: Part) -> None:
    copy_up(part, "data/f").write_text("other")
    assert found(part._replace(destination="/usr")) == {"/usr/data": MODIFIED, "/usr/data/f": MODIFIED}


def test_a_copy_of_everything_has_no_marks(part: Part) -> None:
    shutil.copytree(part.lower[0], part.upper, symlinks=True, dirs_exist_ok=True)
    whole = part._replace(strategy="copies")
    assert found(whole) == {}
    (part.upper / "data/f").unlink()
    (part.upper / "data/new").touch()
    assert found(whole) == {"/data": MODIFIED, "/data/f": DELETED, "/data/new": ADDED}


def test_marks_of_fuse_overlayfs(part: Part) -> None:
    for name in ("data/.wh.f", "data/.wh.never", "etc/.wh..wh..opq", "etc/new"):
        (part.upper / name).parent.mkdir(exist_ok=True)
        (part.upper / name).touch()
    assert found(part._replace(strategy="fuse-overlayfs")) == {
        "/data": MODIFIED,
        "/data/f": DELETED,
        "/etc": MODIFIED,
        "/etc/new": ADDED,
        "/etc/passwd": DELETED,
    }


def test_what_a_running_container_removes_meanwhile_is_left_out(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    (part.upper / "gone").mkdir()
    (part.upper / "stays").mkdir()
    fstat = os.fstat

    def look(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        if (part.upper / "gone").exists() and Path(f"/proc/self/fd/{descriptor}").readlink().name == "gone":
            (part.upper / "gone").rmdir()
        return status

    monkeypatch.setattr(os, "fstat", look)
    assert found(part) == {"/gone": ADDED, "/stays": ADDED}
