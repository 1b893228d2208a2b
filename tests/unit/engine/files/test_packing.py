"""Trees as archives, read back by tarfile."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from typing import TYPE_CHECKING

import pytest

from container_runtime.engine.files.packing import Packer

if TYPE_CHECKING:
    from pathlib import Path


def pack(directory: Path, name: str = "top") -> dict[str, tarfile.TarInfo]:
    out = io.BytesIO()
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        packer = Packer(out.write)
        packer.tree(descriptor, name)
        packer.finish()
    finally:
        os.close(descriptor)
    out.seek(0)
    with tarfile.open(fileobj=out, errors="surrogateescape") as archive:
        return {member.name: member for member in archive}


def test_everything_but_sockets_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o750)
    (tmp_path / "d/f").write_bytes(b"content")
    (tmp_path / "d/f").chmod(0o4711)
    os.link(tmp_path / "d/f", tmp_path / "g")
    (tmp_path / "l").symlink_to("../..")
    os.mkfifo(tmp_path / "p", 0o620)
    os.utime(tmp_path / "d/f", ns=(5, 1_500_000_000_999_999_999))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        found = pack(tmp_path)
    assert [*found] == ["top", "top/d", "top/d/f", "top/g", "top/l", "top/p"]
    file = found["top/d/f"]
    assert (file.size, file.mode, file.mtime, file.uid) == (7, 0o4711, 1_500_000_000, os.getuid())
    assert (found["top/g"].type, found["top/g"].linkname) == (tarfile.LNKTYPE, "top/d/f")
    assert (found["top/l"].type, found["top/l"].linkname) == (tarfile.SYMTYPE, "../..")
    assert found["top/p"].isfifo()
    assert found["top/d"].mode == 0o750


@pytest.mark.parametrize(
    ("name", "expected"), [("", ["d", "d/f"]), ("/", ["/", "/d", "/d/f"]), (".", [".", "./d", "./d/f"])]
)
def test_names_begin_as_asked(tmp_path: Path, name: str, expected: list[str]) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").touch()
    out = io.BytesIO()
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    Packer(out.write).tree(descriptor, name)
    os.close(descriptor)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        names = [member.name or "/" for member in archive]
    assert names == expected


def test_names_that_are_no_text_or_long_survive(tmp_path: Path) -> None:
    names = [b"\xff\xfe", "ä".encode() * 100, b"x" * 255, b"new\nline"]
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    assert {os.fsencode(name).removeprefix(b"top/") for name in pack(tmp_path)} == {b"top", *names}


def test_a_file_that_becomes_shorter_is_filled_up(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 1_000_000)
    out = io.BytesIO()

    def write(data: bytes) -> None:
        out.write(data)
        if out.tell() > 1024:  # the file's own header has been written
            os.truncate(path, 10)

    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    packer = Packer(write)
    packer.tree(descriptor, "top")
    packer.finish()
    os.close(descriptor)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        file = archive.extractfile("top/f")
        assert file is not None
        content = file.read()
    assert len(content) == 1_000_000
    assert 0 < len(content.rstrip(b"\0")) < 1_000_000
    assert not content.rstrip(b"\0").strip(b"x")


def test_a_directory_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "a").mkdir(parents=True)
    (tree / "a/inner").mkdir()
    outside.mkdir()
    (outside / "secret").touch()
    out = io.BytesIO()

    def write(data: bytes) -> None:
        out.write(data)
        if data[:8] == b"top/a/\0\0":  # its header has been written: it is entered next
            (tree / "a").rename(tmp_path / "away")
            (tree / "a").symlink_to(outside)

    descriptor = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    Packer(write).tree(descriptor, "top")
    os.close(descriptor)
    assert b"top/a/" in out.getvalue()
    assert b"secret" not in out.getvalue()


def test_who_wants_no_more_ends_it(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")

    def write(_data: bytes) -> None:
        raise BrokenPipeError

    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        with pytest.raises(BrokenPipeError):
            Packer(write).tree(descriptor, "top")
    finally:
        os.close(descriptor)
