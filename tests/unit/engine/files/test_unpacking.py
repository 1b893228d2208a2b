"""What an uploaded archive may do to a directory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from container_runtime.engine.files.unpacking import Options, unpack
from container_runtime.errors import EngineError, NotFound
from container_runtime.kernel.openat2 import Root
from tests.registry import Layer

if TYPE_CHECKING:
    from pathlib import Path

ME = {"uid": os.getuid(), "gid": os.getgid()}


def put(root: Path, archive: bytes, *, keep_kinds: bool = False) -> None:
    with Root(root) as opened:
        unpack(io.BytesIO(archive), opened, Options("/in", keep_kinds=keep_kinds), "missing")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/in").mkdir(parents=True)
    (tmp_path / "outside").write_text("untouched")
    return tmp_path / "root"


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_plain_and_packed(root: Path, packed: object) -> None:
    archive = Layer().add("a/f", data=b"x", mode=0o751, **ME).bytes()
    put(root, packed(archive))  # type: ignore[operator]
    status = (root / "in/a/f").stat()
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o751, 1_600_000_000)


def test_nothing_is_unpacked_from_nothing(root: Path) -> None:
    put(root, b"")
    assert [*(root / "in").iterdir()] == []


@pytest.mark.parametrize(
    ("name", "where"), [("/abs", "abs"), ("a/../b", "b"), ("/../up", "up"), ("./x/", "x"), ("a//b", "a/b")]
)
def test_names_end_up_in_the_directory(root: Path, name: str, where: str) -> None:
    put(root, Layer().add(name, data=b"x", **ME).bytes())
    assert (root / "in" / where).read_bytes() == b"x"


@pytest.mark.parametrize("name", ["..", "../x", "a/../../x", "../in/x"])
def test_a_name_that_leads_out_is_refused(root: Path, name: str) -> None:
    with pytest.raises(EngineError, match=f'invalid entry name "{name}"'):
        put(root, Layer().add(name, data=b"x", **ME).bytes())
    assert [*root.iterdir()] == [root / "in"]


@pytest.mark.parametrize("target", ["../f", "a/../../f"])
def test_a_hard_link_that_leads_out_is_refused(root: Path, target: str) -> None:
    (root / "f").touch()
    with pytest.raises(EngineError, match="invalid hardlink target"):
        put(root, Layer().hard_link("h", target).bytes())


def test_a_hard_link_to_nothing(root: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        put(root, Layer().hard_link("h", "nothing").bytes())


def test_links_lead_anywhere_and_end_in_the_root(root: Path) -> None:
    up = "../" * 20
    archive = Layer().symlink("l", f"{up}outside", **ME).symlink("d", up, **ME).add("d/made", data=b"x", **ME)
    put(root, archive.bytes())
    assert (root / "in/l").readlink().name == "outside"
    assert (root / "made").read_bytes() == b"x"
    assert (root.parent / "outside").read_text() == "untouched"


def test_what_is_there_is_replaced_and_directories_are_merged(root: Path) -> None:
    inside = root / "in"
    (inside / "dir").mkdir()
    (inside / "dir/old").touch()
    (inside / "was-dir/x").mkdir(parents=True)
    (inside / "was-file").touch()
    (inside / "was-link").symlink_to("../../outside")
    archive = Layer().directory("dir", **ME).add("dir/new", **ME).add("was-dir", data=b"f", **ME)
    archive = archive.directory("was-file", **ME).add("was-link", data=b"own", **ME)
    put(root, archive.bytes())
    assert sorted(path.name for path in (inside / "dir").iterdir()) == ["new", "old"]
    assert (inside / "was-dir").read_bytes() == b"f"
    assert (inside / "was-file").is_dir()
    assert not (inside / "was-link").is_symlink()
    assert (root.parent / "outside").read_text() == "untouched"


def test_kinds_are_kept_where_asked(root: Path) -> None:
    (root / "in/d").mkdir()
    (root / "in/f").touch()
    with pytest.raises(EngineError, match='cannot overwrite directory "d" with non-directory "/in"'):
        put(root, Layer().add("d", **ME).bytes(), keep_kinds=True)
    with pytest.raises(EngineError, match='cannot overwrite non-directory "f" with directory "/in"'):
        put(root, Layer().directory("f", **ME).bytes(), keep_kinds=True)


def test_the_directory_itself_stays_as_it_is(root: Path) -> None:
    mode = (root / "in").stat().st_mode
    put(root, Layer().directory("./", mode=0o700, **ME).add("./f", **ME).bytes())
    assert (root / "in").stat().st_mode == mode
    assert (root / "in/f").is_file()


def test_times_of_directories_are_set_after_what_is_in_them(root: Path) -> None:
    put(root, Layer().directory("d", **ME).add("d/f", **ME).bytes())
    assert (root / "in/d").stat().st_mtime == 1_600_000_000


def test_whiteouts_are_plain_files_here(root: Path) -> None:
    (root / "in/x").touch()
    put(root, Layer().add(".wh.x", **ME).bytes())
    assert sorted(path.name for path in (root / "in").iterdir()) == [".wh.x", "x"]


def test_a_type_that_nobody_knows(root: Path) -> None:
    with pytest.raises(EngineError, match="unhandled tar header type 90"):
        put(root, Layer().add("z", b"Z", **ME).bytes())


@pytest.mark.parametrize("cut", [100, 700, 1800])
def test_a_part_of_an_archive_is_an_error(root: Path, cut: int) -> None:
    archive = Layer().add("f", data=b"x" * 5000, **ME).bytes()
    with pytest.raises(EngineError):
        put(root, archive[:cut])


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]),
            st.lists(st.sampled_from(["a", "b", "..", ".", "outside"]), min_size=1, max_size=4).map("/".join),
            st.lists(st.sampled_from(["a", "b", "..", "", "outside"]), min_size=1, max_size=5).map("/".join),
        ),
        max_size=6,
    )
)
def test_nothing_outside_of_the_root_is_ever_touched(root: Path, entries: list[tuple[bytes, str, str]]) -> None:
    archive = Layer()
    for kind, name, target in entries:
        link = target if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
        archive.add(name, kind, linkname=link, mode=0o755, **ME)
    with suppress(EngineError, NotFound):
        put(root, archive.bytes())
    assert (root.parent / "outside").read_text() == "untouched"
    assert sorted(path.name for path in root.parent.iterdir()) == ["outside", "root"]
