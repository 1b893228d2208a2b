import json
import os
import time

import pytest

from container_runtime.images import snapshots
from container_runtime.images.snapshots import SnapshotStore, host_state

NAME = "ab" * 32


@pytest.fixture
def home(tmp_path):
    return tmp_path / "snapshots"


def add(store, home, name=NAME):
    made = home.parent / f"made-{os.urandom(4).hex()}"
    (made / "0").mkdir(parents=True)
    (made / "0/file").write_text("content")
    store.add(home, name, made, {"/": "0"}, ["/data"])
    return made


def test_found_as_it_was_added(home):
    store = SnapshotStore()
    assert store.find(home, NAME) is None
    made = add(store, home)
    assert not made.exists()
    found = store.find(home, NAME)
    assert found == ({"/": str(home / NAME / "0")}, ["/data"])
    assert (home / NAME / "0/file").read_text() == "content"
    store.close()


def test_the_first_of_two_is_kept(home):
    store = SnapshotStore()
    add(store, home)
    (home / NAME / "mark").touch()
    assert not add(store, home).exists()
    assert (home / NAME / "mark").exists()


def test_after_a_restart_of_the_machine_only_what_was_written_out_is_trusted(home, monkeypatch, tmp_path):
    add(SnapshotStore(), home)
    add(SnapshotStore(), home, "cd" * 32)
    SnapshotStore().settle(home, "cd" * 32)
    boot = tmp_path / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(snapshots, "_BOOT", boot)
    later = SnapshotStore()
    assert later.find(home, NAME) is None
    assert not (home / NAME).exists()
    assert later.find(home, "cd" * 32)
    later.close()


def test_a_damaged_record_is_no_snapshot(home):
    store = SnapshotStore()
    add(store, home)
    (home / NAME / "snapshot.json").write_text("{")
    assert store.find(home, NAME) is None
    assert not (home / NAME).exists()


def test_what_nobody_uses_goes_when_the_next_is_made(home, monkeypatch):
    store = SnapshotStore()
    names = [f"{number:064x}" for number in range(4)]
    for name in names:
        add(store, home, name)
    assert store.find(home, names[0])
    old = time.time() - 15 * 86400
    for name in names[:2]:
        os.utime(home / name, (old, old))
    add(store, home)
    assert {path.name for path in home.iterdir()} == {names[0], names[2], names[3], NAME}, "one is in use, one was old"
    monkeypatch.setattr(snapshots, "_MOST", 2)
    add(store, home, "ef" * 32)
    assert len({path.name for path in home.iterdir()} - {names[0]}) <= 2
    store.close()


def test_the_state_of_the_machine_is_that_of_its_packages(tmp_path):
    database = tmp_path / "status"
    assert host_state([str(database)]) is None
    database.write_text("one")
    first = host_state([str(database)])
    assert first == host_state([str(database)])
    database.write_text("two!")
    assert host_state([str(database)]) not in {first, None}
    assert json.dumps(host_state()), "of this machine, whatever it has"
