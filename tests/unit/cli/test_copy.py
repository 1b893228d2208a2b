"""``cp``: where a copy lands, and archives of containers that nobody should trust."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from pytest_containers.cli import copy
from pytest_containers.cli.copy import Place, local_target, place, unpack
from pytest_containers.cli.values import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x:/a", Place("x", "/a")),
        ("x:a:b", Place("x", "a:b")),
        ("/a:b", Place("", "/a:b")),
        ("./a:b", Place("", "./a:b")),
        ("a", Place("", "a")),
        ("-", Place("", "-")),
    ],
)
def test_places(text: str, expected: Place) -> None:
    assert place(text) == expected


def test_where_a_copy_lands_here(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").touch()
    directory, contents, file = Place("x", "/a/src"), Place("x", "/a/src/."), Place("x", "/a/src")
    assert local_target(f"{tmp_path}/dir", directory, is_directory=True) == tmp_path / "dir/src"
    assert local_target(f"{tmp_path}/dir", contents, is_directory=True) == tmp_path / "dir"
    assert local_target(f"{tmp_path}/new", directory, is_directory=True) == tmp_path / "new"
    assert local_target(f"{tmp_path}/dir", file, is_directory=False) == tmp_path / "dir/src"
    assert local_target(f"{tmp_path}/file", file, is_directory=False) == tmp_path / "file"
    for path, is_directory in (("file", True), ("new/", False), ("no/such/parent", False)):
        with pytest.raises(UsageError):
            local_target(f"{tmp_path}/{path}", directory, is_directory=is_directory)


def archive(*members: tuple[str, Any]) -> io.BytesIO:
    """``(name, content)``: bytes, None for a directory, a string for a symbolic link, a tuple for a hard one."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.uid = 12345
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            elif isinstance(content, tuple):
                info.type, info.linkname, info.mode = tarfile.LNKTYPE, content[0], 0o4664
            else:
                info.size, info.mode = len(content), 0o4664
            made.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    file.seek(0)
    return file


def test_the_first_entry_gets_the_name_that_was_wanted(tmp_path: Path) -> None:
    unpack(archive(("src/", None), ("src/a", b"1"), ("src/b", ("src/a",)), ("src/l", "/etc")), tmp_path / "new")
    assert (tmp_path / "new/a").read_bytes() == b"1"
    assert (tmp_path / "new/a").stat().st_nlink == 2
    assert (tmp_path / "new/a").stat().st_mode & 0o7777 == 0o4664
    assert (tmp_path / "new/a").stat().st_uid == os.geteuid()
    assert (tmp_path / "new/l").readlink().as_posix() == "/etc"
    unpack(archive(("./", None), ("./c", b"2")), tmp_path / "new")
    assert (tmp_path / "new/c").read_bytes() == b"2"
    unpack(archive(("file", b"3")), tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == b"3"


@pytest.mark.parametrize(
    "members",
    [
        [("src/", None), ("../out", b"x")],
        [("src/", None), ("src/../../out", b"x")],
        [("src/", None), ("/out", b"x")],
        [("src/", None), ("elsewhere/out", b"x")],
        [("src/", None), ("src/l", ".."), ("src/l/out", b"x")],
        [("src/", None), ("src/l", "."), ("src/l/l2", ".."), ("src/l/l2/out", b"x")],
        [("src", ".."), ("src/out", b"x")],
        [("src/", None), ("src/h", ("../victim",)), ("src/h", b"x")],
        [("src/", None), ("src/d/", None), ("src/d", b"x")],
    ],
)
def test_nothing_is_written_outside(members: list[tuple[str, Any]], tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "victim").write_text("safe")
    with pytest.raises((UsageError, tarfile.TarError, OSError)):
        unpack(archive(*members), inner / "src")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner", "victim"]
    assert (tmp_path / "victim").read_text() == "safe"
    assert [path.name for path in inner.iterdir()] in ([], ["src"])


def test_half_an_archive_is_not_a_copy(tmp_path: Path) -> None:
    whole = archive(("src", b"x" * 100_000)).getvalue()
    with pytest.raises((tarfile.TarError, OSError)):
        unpack(io.BytesIO(whole[:50_000]), tmp_path / "src")


def test_what_cannot_be_packed_is_told_to_whoever_reads(tmp_path: Path) -> None:
    packed = copy._Packed(tmp_path / "none", "name")
    with packed, pytest.raises(FileNotFoundError):
        packed.read()
    (tmp_path / "big").write_bytes(b"x" * 1_000_000)
    with copy._Packed(tmp_path / "big", "name") as left_early:
        assert left_early.read(10)
