"""Layers merged into one directory."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from container_runtime.images import copies

if TYPE_CHECKING:
    from pathlib import Path

OPAQUE = "user.overlay.opaque"


@pytest.fixture(autouse=True)
def of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "opaque_attribute", lambda: OPAQUE)


def write(path: Path, text: str = "", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def whiteout(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))


def merged(tmp_path: Path, *layers: Path) -> Path:
    """The upper layer first."""
    target = tmp_path / "merged"
    copies.copy_merged([str(layer) for layer in layers], target)
    return target


def names(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path)) for one in path.rglob("*"))


def test_the_uppermost_file_counts_and_whiteouts_hide(tmp_path: Path) -> None:
    low, middle, high = tmp_path / "low", tmp_path / "middle", tmp_path / "high"
    write(low / "a/one", "low")
    write(low / "a/two", "low")
    write(low / "b/deep/file")
    whiteout(middle / "a/two")
    whiteout(middle / "b")
    write(high / "a/one", "high")
    write(high / "b/other")
    target = merged(tmp_path, high, middle, low)
    assert names(target) == ["a", "a/one", "b", "b/other"]
    assert (target / "a/one").read_text() == "high"


def test_an_opaque_directory_and_files_in_the_place_of_directories(tmp_path: Path) -> None:
    low, high = tmp_path / "low", tmp_path / "high"
    write(low / "opaque/old")
    write(low / "directory/x")
    write(low / "file")
    write(high / "opaque/new")
    os.setxattr(high / "opaque", OPAQUE, b"y")
    write(high / "directory")
    write(high / "file/inside")
    target = merged(tmp_path, high, low)
    assert names(target) == ["directory", "file", "file/inside", "opaque", "opaque/new"]
    assert OPAQUE not in os.listxattr(target / "opaque")


def test_modes_times_links_and_attributes(tmp_path: Path) -> None:
    low = tmp_path / "low"
    tool = write(low / "tool", "x" * 100_000, 0o4755)
    os.setxattr(tool, "user.note", b"kept")
    os.utime(tool, (1, 2))
    os.link(tool, low / "same")
    (low / "link").symlink_to("/nowhere/at/all")
    os.mkfifo(low / "pipe", 0o600)
    (low / "closed").mkdir(mode=0o555)
    target = merged(tmp_path, low)
    assert stat.S_IMODE((target / "tool").stat().st_mode) == 0o4755
    assert os.getxattr(target / "tool", "user.note") == b"kept"
    assert (target / "tool").stat().st_mtime == 2
    assert (target / "tool").samefile(target / "same")
    assert not (target / "tool").samefile(tool)
    assert str((target / "link").readlink()) == "/nowhere/at/all"
    assert stat.S_ISFIFO((target / "pipe").lstat().st_mode)
    assert stat.S_IMODE((target / "closed").stat().st_mode) == 0o555
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "low/a/file")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "copy_file_range", full)
    write(tmp_path / "low/a/more", "text")
    with pytest.raises(OSError, match="No space left"):
        merged(tmp_path, tmp_path / "low")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["low"]


def test_a_filesystem_that_cannot_share_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", elsewhere)
    write(tmp_path / "low/file", "text" * 1000)
    assert (merged(tmp_path, tmp_path / "low") / "file").read_text() == "text" * 1000


def test_a_directory_of_an_image_fills_another_through_links(tmp_path: Path) -> None:
    low, high, target = tmp_path / "low", tmp_path / "high", tmp_path / "target"
    write(low / "real/data/one", "1", 0o640)
    write(low / "real/data/two", "2")
    os.link(low / "real/data/one", low / "real/data/again")
    (low / "real/data").chmod(0o710)
    (high / "real").mkdir(parents=True)
    (high / "way").symlink_to("/../real")
    write(high / "real/data/three", "3")
    (high / "real/data").chmod(0o710)
    whiteout(high / "real/data/two")
    target.mkdir()
    copies.fill([str(high), str(low)], "/way/data", target)
    assert names(target) == ["again", "one", "three"]
    assert (target / "one").samefile(target / "again")
    assert stat.S_IMODE(target.stat().st_mode) == 0o710
    assert stat.S_IMODE((target / "one").stat().st_mode) == 0o640


def test_where_the_image_has_nothing_or_a_file(tmp_path: Path) -> None:
    low, target = tmp_path / "low", tmp_path / "target"
    write(low / "file")
    target.mkdir()
    copies.fill([str(low)], "/none/at/all", target)
    assert names(target) == []
    with pytest.raises(NotADirectoryError):
        copies.fill([str(low)], "/file", target)


def test_of_a_living_machine_not_too_much_is_copied(tmp_path: Path) -> None:
    low, target = tmp_path / "low", tmp_path / "target"
    write(low / "data/a/one", "x" * 600)
    write(low / "data/b/two", "x" * 600)
    target.mkdir()
    with pytest.raises(OSError, match="too large"):
        copies.fill([str(low)], "/data", target, most=1000)
    assert names(target) == []
    copies.fill([str(low)], "/data", target, most=2000)
    assert names(target) == ["a", "a/one", "b", "b/two"]
