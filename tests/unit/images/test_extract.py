import bz2
import gzip
import io
import lzma
import os
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from container_runtime.images import tarstream
from container_runtime.images.extract import extract_layer
from container_runtime.images.model import sha256
from container_runtime.images.tarstream import BadArchive
from container_runtime.kernel.openat2 import Root, clean
from tests.registry import Layer

PACKERS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "two zstd frames": lambda data: zstandard.compress(data[:700]) + zstandard.compress(data[700:]),
}


def add(layer: Layer, name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: object) -> Layer:
    """An entry that belongs to whoever runs the test, so that no root is needed."""
    return layer.add(name, kind, data, uid=os.getuid(), gid=os.getgid(), **fields)


def unpack(data: bytes, target: Path) -> tuple[str, int]:
    target.mkdir()
    return extract_layer(io.BytesIO(data), target)


@pytest.mark.parametrize("packer", PACKERS)
def test_every_compression_gives_the_digest_of_the_archive(packer: str, tmp_path: Path) -> None:
    archive = add(Layer(), "a/b", data=b"x" * 1000).bytes()
    assert unpack(PACKERS[packer](archive), tmp_path / "out") == (sha256(archive), len(archive))
    assert (tmp_path / "out/a/b").read_bytes() == b"x" * 1000


def test_modes_times_links_and_attributes(tmp_path: Path) -> None:
    layer = add(Layer(), "d", tarfile.DIRTYPE, mode=0o1750)
    add(layer, "d/f", data=b"1", mode=0o4711, pax_headers={"SCHILY.xattr.user.k": "v", "mtime": "1600000001.25"})
    add(layer, "d/s", tarfile.SYMTYPE, linkname="/d/f")
    add(layer, "d/h", tarfile.LNKTYPE, linkname="d/f")
    add(layer, "d/p", tarfile.FIFOTYPE, mode=0o600)
    unpack(layer.bytes(), tmp_path / "out")
    d = tmp_path / "out/d"
    assert d.stat().st_mode & 0o7777 == 0o1750
    assert d.stat().st_mtime == 1_600_000_000
    assert (d / "f").stat().st_mode & 0o7777 == 0o4711
    assert (d / "f").stat().st_mtime == 1600000001.25
    assert os.getxattr(d / "f", "user.k") == b"v"
    assert (d / "s").readlink() == Path("/d/f")
    assert (d / "h").samefile(d / "f")
    assert (d / "p").is_fifo()


def test_attributes_that_steer_overlayfs_are_dropped(tmp_path: Path) -> None:
    headers = {
        f"SCHILY.xattr.{name}": "y" for name in ("trusted.overlay.redirect", "user.overlay.opaque", "security.x")
    }
    unpack(add(Layer(), "f", pax_headers=headers).bytes(), tmp_path / "out")
    assert os.listxattr(tmp_path / "out/f") == []


@pytest.mark.parametrize("cut", [1, 600, 1100])
@pytest.mark.parametrize("packer", PACKERS)
def test_a_cut_or_damaged_stream_is_one_clear_error(packer: str, cut: int, tmp_path: Path) -> None:
    data = PACKERS[packer](add(Layer(), "f", data=os.urandom(2000)).bytes())
    with pytest.raises(BadArchive):
        unpack(data[:-cut] if packer != "plain" else data[:cut], tmp_path / "out")


def test_noise_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="not a tar archive"):
        unpack(b"noise" * 1000, tmp_path / "out")


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = tarfile.TarInfo("long name")
    huge.type, huge.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    with pytest.raises(BadArchive, match="header of"):
        unpack(huge.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024, tmp_path / "header")
    monkeypatch.setattr(tarstream, "MAX_LAYER_BYTES", 1 << 20)
    huge.type, huge.size = tarfile.REGTYPE, 1 << 40
    with pytest.raises(BadArchive, match="GiB"):
        unpack(huge.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024, tmp_path / "size")
    monkeypatch.setattr(tarstream, "MAX_ENTRIES", 3)
    many = Layer()
    for number in range(5):
        add(many, f"f{number}")
    with pytest.raises(BadArchive, match="entries"):
        unpack(many.bytes(), tmp_path / "entries")


names = st.lists(st.sampled_from(["..", ".", "a", "b", "link", "", "deep/er"]), min_size=1, max_size=5).map("/".join)
entries = st.lists(
    st.tuples(
        st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
        st.tuples(st.sampled_from(["", "/", "/../", "../"]), names).map("".join),
        st.tuples(st.sampled_from(["", "/", "../", "../../../"]), names).map("".join),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(entries)
def test_no_entry_leaves_the_layer(
    tmp_path_factory: pytest.TempPathFactory, hostile: list[tuple[bytes, str, str]]
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    for name in ("a", "b", "link"):
        (outside / name).write_text("untouched")
    layer = Layer()
    for kind, name, target in hostile:
        data = b"hostile" if kind == tarfile.REGTYPE else b""
        add(layer, name, kind, data, **({"linkname": target} if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else {}))
    (outside / "x/y").mkdir(parents=True)
    with suppress(BadArchive, OSError):
        unpack(layer.bytes(), outside / "x/y/out")
    assert sorted(path.name for path in outside.iterdir()) == ["a", "b", "link", "x"]
    assert {(outside / name).read_text() for name in ("a", "b", "link")} == {"untouched"}
    assert [path.name for path in (outside / "x").iterdir()] == ["y"]
    assert [path.name for path in (outside / "x/y").iterdir()] == ["out"]


@given(st.text(alphabet="ab./", max_size=20))
def test_a_clean_path_has_no_way_up(path: str) -> None:
    assert ".." not in clean(path).split("/")
    assert not clean(path).startswith("/")


def test_a_root_confines_reading_and_writing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/out").symlink_to("../..")
    with Root(tmp_path / "root") as root:
        root.write("/etc/../../etc/f", b"inside", 0o600)
        root.symlink("../../../secret", "etc/secret")
        root.make_directories("out/new/deep")
        assert root.read("out/etc/f", 100) == b"inside"
        with pytest.raises(FileNotFoundError):
            root.read("etc/secret", 100)
        root.write("etc/secret", b"mine")
        with pytest.raises(ValueError, match="more than"):
            root.read("etc/f", 3)
        assert root.lstat("out").st_mode & 0o170000 == 0o120000
    assert (tmp_path / "root/new/deep").is_dir()
    assert (tmp_path / "secret").read_text() == "s"
