"""Volumes by name: made, found, used, removed."""

import pytest

from container_runtime.errors import Conflict, InvalidParameter, NotFound
from container_runtime.volumes import options
from container_runtime.volumes.mounter import _hidden
from container_runtime.volumes.store import VolumeStore, size


@pytest.fixture
def store(tmp_path):
    return VolumeStore(tmp_path / "volumes")


def test_one_name_is_one_volume(store):
    volume, new = store.create("data", labels={"a": "b"})
    assert new
    assert volume.path.is_dir()
    assert store.create("data", labels={"other": ""}, options={"type": "tmpfs", "device": "x"}) == (volume, False)
    assert store.get("data") is volume
    assert volume.details() | {"CreatedAt": ""} == {
        "CreatedAt": "",
        "Driver": "local",
        "Labels": {"a": "b"},
        "Mountpoint": str(volume.path),
        "Name": "data",
        "Options": None,
        "Scope": "local",
    }


def test_without_a_name_it_is_anonymous(store):
    first, second = store.create()[0], store.create(labels={"a": "b"})[0]
    assert first.name != second.name
    assert len(first.name) == 64
    assert first.anonymous
    assert second.labels == {"a": "b", "com.docker.volume.anonymous": ""}


def test_what_is_used_stays(store):
    volume, _ = store.create("data")
    (volume.path / "file").write_text("x")
    volume.users.update({"b", "a"})
    with pytest.raises(Conflict, match=r"remove data: volume is in use - \[a, b\]"):
        store.remove(volume)
    volume.users.clear()
    left = store.remove(volume)
    assert (left / "_data/file").exists()
    with pytest.raises(NotFound, match="get data: no such volume"):
        store.get("data")
    assert store.create("data")[1]


@pytest.mark.parametrize("name", ["v", "_a", "a b", "../x", "a/b", ".hidden", "x" * 256, "ab\n"])
def test_names_that_no_volume_has(store, name):
    with pytest.raises(InvalidParameter, match="create "):
        store.create(name)
    assert not store.list()


def test_other_drivers_are_not_here(store):
    with pytest.raises(NotFound, match='create vc: error looking up volume plugin foo: plugin "foo" not found'):
        store.create("vc", driver="foo")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"foo": "1"}, 'invalid option: "foo"'),
        ({"type": "tmpfs"}, 'missing required option: "device"'),
        ({"o": "size=1"}, 'missing required option: "device"'),
        ({"device": "/x"}, 'missing required option: "type"'),
        ({"type": "none", "device": ""}, 'missing required option: "device"'),
        ({"size": "10m"}, "quota size requested but no quota support"),
    ],
)
def test_options_that_make_no_sense(store, given, told):
    with pytest.raises(InvalidParameter, match=told):
        store.create("data", options=given)
    assert not store.list()


def test_options_as_arguments_of_mount():
    bind = options.source_of({"type": "none", "device": "/x", "o": "rbind,ro,rw,nosuid"})
    assert bind.is_bind
    assert bind == ("/x", "none", 4096 | 16384 | 2, "")
    shared = options.source_of({"type": "nfs", "device": ":/x", "o": "addr=files,password=secret,noatime"})
    assert shared == (":/x", "nfs", 1024, "addr=files,password=secret")
    assert options.address(shared) == "files"
    assert options.address(shared._replace(kind="tmpfs")) == ""
    assert _hidden(shared.data) == "addr=files,password=********"


def test_size_counts_a_file_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one").write_bytes(b"x" * 1000)
    (tmp_path / "a/two").hardlink_to(tmp_path / "a/one")
    (tmp_path / "b").write_bytes(b"x" * 10)
    assert size(tmp_path) == 1010
    assert size(tmp_path / "none") == 0
