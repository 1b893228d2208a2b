"""Volumes and mounts by docker's own command: what is seen in containers, and what is left."""

import json
import os
import shutil
import time

import pytest

from tests import rights
from tests.registry import Registry, busybox_layer

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command (tests/run)")
OWNERS = pytest.mark.needs("other-users")


@pytest.fixture(scope="module")
def registry():
    with Registry() as started:
        yield started


@pytest.fixture(scope="module")
def image(docker, registry):
    """It declares a volume at /data, which has files of several owners."""
    layer = busybox_layer().directory("data", mode=0o750, uid=1000, gid=1001).symlink("way", "data").add("plain")
    layer.add("data/file", data=b"hello\n", mode=0o640, uid=1000, gid=1001).hard_link("data/again", "data/file")
    layer.directory("empty", mode=0o711, uid=1000, gid=1000).directory("data/sub", mode=0o700)
    name = registry.push("volumes", [layer.bytes()], {"Cmd": ["true"], "Volumes": {"/data": {}}})
    docker.ok("pull", "-q", name)
    return name


@pytest.fixture(autouse=True)
def nothing_is_left(docker):
    yield
    for identity in docker.ok("ps", "-aq").split():
        docker("rm", "-f", identity)
    docker.ok("volume", "prune", "-af")
    for name in docker.ok("volume", "ls", "-q").split():
        docker.ok("volume", "rm", name)


def mounts(docker, identity):
    return {one["Destination"]: one for one in json.loads(docker.ok("inspect", "-f", "{{json .Mounts}}", identity))}


def test_a_named_volume_lives_on(docker):
    assert docker.ok("volume", "create", "--label", "a=b", "kept") == "kept"
    docker.ok("run", "--rm", "-v", "kept:/some/where", "host", "sh", "-c", "echo one > /some/where/file")
    assert docker.ok("run", "--rm", "-v", "kept:/x:ro", "host", "cat", "/x/file") == "one"
    code, _, err = docker("run", "--rm", "--mount", "type=volume,src=kept,dst=/x,readonly", "host", "touch", "/x/file")
    assert code == 1
    assert "Read-only file system" in err
    details = json.loads(docker.ok("volume", "inspect", "kept"))[0]
    assert (details["Driver"], details["Labels"], details["Options"]) == ("local", {"a": "b"}, None)


def test_files_stay_over_restarts_and_are_shared(docker):
    one = docker.ok("run", "-d", "-v", "shared:/s", "host", "sh", "-c", "echo x >> /s/file; exec sleep 1000")
    docker.ok("exec", one, "sh", "-c", "until test -s /s/file; do :; done")
    docker.ok("restart", "-t", "0", one)
    other = docker.ok("run", "-d", "--volumes-from", f"{one}:ro", "host", "sleep", "1000")
    docker.ok("exec", one, "sh", "-c", "until test $(wc -l < /s/file) = 2; do :; done")
    assert docker.ok("exec", other, "cat", "/s/file") == "x\nx"
    assert docker("exec", other, "touch", "/s/file")[0] == 1
    assert mounts(docker, other)["/s"]["RW"] is False


def test_disk_usage(docker):
    docker.ok("run", "--name", "writer", "-v", "sized:/x", "host", "sh", "-c", "head -c 5000 /dev/zero > /x/file")
    shown = json.loads(docker.ok("system", "df", "-v", "--format", "{{json .Volumes}}"))
    assert [(one["Name"], one["Links"], one["Size"]) for one in shown] == [("sized", "1", "5kB")]


def test_a_volume_in_use_is_not_removed(docker):
    docker.ok("create", "--name", "holder", "-v", "held:/x", "host", "true")
    identity = docker.ok("inspect", "-f", "{{.Id}}", "holder")
    code, _, err = docker("volume", "rm", "held")
    assert code == 1
    assert f"remove held: volume is in use - [{identity}]" in err
    assert docker("volume", "rm", "-f", "held")[0] == 1
    assert docker.ok("volume", "ls", "-q", "-f", "dangling=true") == ""
    assert docker.ok("ps", "-aq", "--no-trunc", "-f", "volume=held") == identity
    assert docker.ok("ps", "-aq", "--no-trunc", "-f", "volume=/x") == identity
    assert docker.ok("ps", "-aq", "-f", "volume=/y") == ""
    docker.ok("rm", "holder")
    assert docker.ok("volume", "ls", "-q", "-f", "dangling=1", "-f", "name=hel") == "held"
    docker.ok("volume", "rm", "held")
    code, _, err = docker("volume", "inspect", "held")
    assert code == 1
    assert "no such volume" in err
    docker.ok("volume", "rm", "-f", "held")


def test_anonymous_volumes_go_with_their_container_where_asked(docker, image):
    docker.ok("run", "--rm", image, "true")
    assert docker.ok("volume", "ls", "-q") == ""
    one = docker.ok("create", "-v", "/more", "-v", "named:/named", image, "true")
    other = docker.ok("create", "--volumes-from", one, image, "true")
    anonymous = mounts(docker, one)["/data"]["Name"]
    assert len(docker.ok("volume", "ls", "-q").split()) == 3
    docker.ok("rm", "-v", one)  # the other container has them still
    assert len(docker.ok("volume", "ls", "-q").split()) == 3
    docker.ok("rm", other)
    assert len(docker.ok("volume", "ls", "-q").split()) == 3
    assert anonymous in docker.ok("volume", "prune", "-f")
    assert docker.ok("volume", "ls", "-q") == "named"
    docker.ok("rm", "-v", docker.ok("create", image, "true"))
    assert docker.ok("volume", "ls", "-q") == "named"
    assert "named" in docker.ok("volume", "prune", "-af", "--filter", "label!=keep")


@OWNERS
def test_an_empty_volume_is_filled_with_owners_and_modes(docker, image):
    show = "cd /data; stat -c '%n %a %u:%g %h' . file again sub; cat file"
    expected = ". 750 1000:1001 3\nfile 640 1000:1001 2\nagain 640 1000:1001 2\nsub 700 0:0 2\nhello"
    assert docker.ok("run", "--rm", image, "sh", "-c", show) == expected
    assert docker.ok("run", "--rm", "-v", "filled:/way", image, "sh", "-c", show) == expected
    assert docker.ok("run", "--rm", "-v", "filled:/else", image, "cat", "/else/file") == "hello"
    assert docker.ok("run", "--rm", "-v", "owned:/empty", image, "stat", "-c", "%a %u:%g", "/empty") == "711 1000:1000"
    words = ["run", "--rm", "-u", "1000:1001", "-v", "filled:/data", image, "sh", "-c", "echo more > /data/file"]
    assert docker.ok(*words) == ""


def test_a_volume_is_filled_once_and_not_with_nocopy(docker, image):
    assert docker.ok("run", "--rm", "-v", "bare:/data:nocopy", image, "ls", "/data") == ""
    assert docker.ok("run", "--rm", "--mount", "type=volume,dst=/data,volume-nocopy", image, "ls", "/data") == ""
    assert (
        docker.ok("run", "--rm", "-v", "once:/data", image, "sh", "-c", "rm -r /data/*; echo mine > /data/file") == ""
    )
    assert docker.ok("run", "--rm", "-v", "once:/data", image, "sh", "-c", "ls /data; cat /data/file") == "file\nmine"
    code, _, err = docker("run", "--rm", "-v", "/plain", image, "true")
    assert code == 125
    assert "cannot mount volume over existing file" in err


def test_of_the_machine_a_volume_gets_little(docker):
    code, _, err = docker("run", "--rm", "-v", "large:/usr", "host", "true")
    assert code == 125
    assert "nocopy" in err
    assert docker.ok("run", "--rm", "-v", "large:/usr/share/none:nocopy", "host", "ls", "/usr/share/none") == ""
    listed = sorted(os.listdir("/etc/security"))  # noqa: PTH208
    found = docker.ok("run", "--rm", "-v", "small:/etc/security", "host", "ls", "-A", "/etc/security")
    assert found.split() == [name for name in listed if os.access(f"/etc/security/{name}", os.R_OK)]
    assert docker.ok("run", "--rm", "-v", "small:/etc/security", "host", "touch", "/etc/security/mine") == ""


def test_parts_of_a_volume(docker, image):
    docker.ok(
        "run",
        "--rm",
        "-v",
        "whole:/data",
        image,
        "sh",
        "-c",
        "ln -s /etc /data/out; ln -s sub /data/in; echo a > /data/sub/a",
    )
    mount = "type=volume,src=whole,dst=/x,volume-subpath="
    assert docker.ok("run", "--rm", "--mount", f"{mount}sub", image, "ls", "/x") == "a"
    assert docker.ok("run", "--rm", "--mount", f"{mount}in", image, "ls", "/x") == "a"
    assert docker.ok("run", "--rm", "--mount", f"{mount}file", image, "cat", "/x") == "hello"
    # docker's command makes 127 of "no such file or directory", wherever that is.
    for path, code, told in (("out", 125, "escapes the base directory"), ("none", 127, "cannot access path")):
        found, out, err = docker("run", "--rm", "--mount", f"{mount}{path}", image, "ls", "/x")
        assert (found, out) == (code, "")
        assert told in err


def test_binds(docker, tmp_path):
    (tmp_path / "file").write_text("of the machine\n")
    bind = f"{tmp_path}/file:/etc/issue:ro"
    assert docker.ok("run", "--rm", "-v", bind, "host", "cat", "/etc/issue") == "of the machine"
    assert docker("run", "--rm", "-v", bind, "host", "sh", "-c", "echo x > /etc/issue")[0] != 0
    docker.ok("run", "--rm", "-v", f"{tmp_path}/made/for/it:/x", "host", "touch", "/x/here")
    assert (tmp_path / "made/for/it/here").exists()
    code, _, err = docker("create", "--mount", f"type=bind,src={tmp_path}/none,dst=/x", "host", "true")
    assert code == 1
    assert f"bind source path does not exist: {tmp_path}/none" in err
    identity = docker.ok("create", "-v", f"{tmp_path}:/x:ro,z", "host", "true")
    assert mounts(docker, identity)["/x"] == {
        "Type": "bind",
        "Source": str(tmp_path),
        "Destination": "/x",
        "Mode": "ro,z",
        "RW": False,
        "Propagation": "rprivate",
    }


def test_what_is_mounted_below_a_read_only_bind_is_read_only_too(docker):
    tree = "type=bind,src=/dev,dst=/x,readonly"
    assert docker("run", "--rm", "--mount", tree, "host", "touch", "/x/shm/pytest-containers-test")[0] == 1
    assert (
        docker.ok("run", "--rm", "--mount", f"{tree},bind-recursive=readonly,bind-propagation=rprivate", "host", "true")
        == ""
    )
    code, out, err = docker("run", "--rm", "--mount", f"{tree},bind-recursive=disabled", "host", "ls", "/x/shm")
    assert (code, out) == ((0, "") if rights.ROOT else (125, ""))
    assert rights.ROOT or "an ordinary user cannot leave out what is mounted below /dev" in err


def test_tmpfs(docker):
    mount = "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=0711"
    shown = docker.ok(
        "run", "--rm", "--mount", mount, "host", "sh", "-c", "stat -f -c %T /x; stat -c %a /x; df -k /x | tail -1"
    )
    assert shown.split()[:4] == ["tmpfs", "711", "tmpfs", "1024"]


def test_a_volume_that_is_a_tmpfs_is_shared_while_it_is_used(docker):
    options = ["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,mode=755"]
    docker.ok("volume", "create", *options, "fast")
    one = docker.ok("run", "-d", "-v", "fast:/x", "host", "sh", "-c", "echo here > /x/file; exec sleep 1000")
    docker.ok("exec", one, "sh", "-c", "until test -s /x/file; do :; done")
    shown = docker.ok(
        "run", "--rm", "-v", "fast:/y", "host", "sh", "-c", "cat /y/file; stat -f -c %T /y; df -k /y | tail -1"
    )
    assert shown.split()[:4] == ["here", "tmpfs", "tmpfs", "1024"]
    docker.ok("rm", "-f", one)
    assert docker.ok("run", "--rm", "-v", "fast:/y", "host", "ls", "/y") == ""


def test_a_volume_that_is_a_directory_of_the_machine(docker, image, tmp_path):
    docker.ok("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={tmp_path}", "place")
    docker.ok("run", "--rm", "-v", "place:/etc", image, "touch", "/etc/mine")
    assert {"passwd", "group", "mine"} <= {*os.listdir(tmp_path)}  # noqa: PTH208
    docker.ok("volume", "rm", "place")
    assert (tmp_path / "mine").exists()
    docker.ok("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={tmp_path}/none", "gone")
    code, _, err = docker("run", "--rm", "-v", "gone:/data", image, "true")
    assert code == 127  # docker's command makes it of "no such file or directory"
    assert "failed to mount local volume" in err
    docker.ok("volume", "create", "-o", "type=nosuchfs", "-o", "device=x", "odd")
    code, _, err = docker("run", "--rm", "-v", "odd:/data", image, "true")
    assert code == 125
    assert "failed to mount local volume: mount x:" in err


def test_other_drivers_and_bad_names_are_refused(docker):
    for words, told in (
        (["volume", "create", "-d", "nfs-plugin", "aa"], 'plugin "nfs-plugin" not found'),
        (["volume", "create", "a b"], "includes invalid characters for a local volume name"),
        (["volume", "create", "-o", "size=1m", "aa"], "no quota support"),
        (["create", "-v", "a/b:/x", "host"], "If you intended to pass a host directory, use absolute path"),
        (["create", "--volumes-from", "nobody", "host"], "No such container: nobody"),
        (["create", "-v", "aa:/x", "-v", "bb:/x/", "host"], "Duplicate mount point: /x"),
    ):
        code, _, err = docker(*words)
        assert code == 1
        assert told in err
    assert docker.ok("volume", "ls", "-q") == ""
    assert docker.ok("ps", "-aq") == ""


def test_events(docker):
    docker.ok("volume", "create", "heard")
    identity = docker.ok("run", "-d", "-v", "heard:/x:ro", "host", "true")
    docker.ok("wait", identity)
    docker.ok("rm", identity)
    docker.ok("volume", "rm", "heard")
    lines = docker.ok(
        "events", "--since", "0", "--until", f"{time.time():.6f}", "-f", "volume=heard", "--format", "{{json .}}"
    ).splitlines()
    found = [(one["Action"], one["Actor"]["Attributes"]) for one in map(json.loads, lines)]
    assert [action for action, _ in found] == ["create", "mount", "unmount", "destroy"]
    assert found[1][1] == {
        "container": identity,
        "destination": "/x",
        "driver": "local",
        "propagation": "",
        "read/write": "false",
    }
