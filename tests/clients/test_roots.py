"""Root filesystems in each way that there is, whatever this machine would choose: a file remembers the choice."""

import shutil

import pytest

from tests import roots
from tests.clients.conftest import serving
from tests.leftovers import observe
from tests.registry import Layer, Registry, busybox_layer
from tests.waiting import until_gone

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command (tests/run)")


@pytest.fixture(scope="module")
def registry():
    with Registry() as started:
        yield started


@pytest.fixture(scope="module")
def image(registry):
    """Three layers: files are changed, removed, and a directory is replaced."""
    first = busybox_layer().directory("data").add("data/old", data=b"old\n").add("gone", data=b"x")
    first.directory("kept").add("kept/a", data=b"a\n", mode=0o640).hard_link("kept/b", "kept/a")
    first.add("tool", data=b"#!/bin/sh\necho tool\n", mode=0o4755)
    first.directory("own", uid=33, gid=34).add("own/secret", data=b"mine\n", uid=33, gid=34, mode=0o400)
    second = Layer().add("data/.wh..wh..opq").add("data/new", data=b"new\n").add(".wh.gone")
    third = Layer().symlink("link", "kept/a").add("kept/c", data=b"c\n")
    return registry.push("layers", [layer.bytes() for layer in (first, second, third)], {"Cmd": ["true"]})


@pytest.fixture(scope="module", params=roots.WAYS)
def way(request):
    return request.param


@pytest.fixture(scope="module")
def docker(way, tmp_path_factory):
    directory = tmp_path_factory.mktemp("engine")
    roots.remember(way, directory / "data")
    with serving(directory, PYTEST_CONTAINERS_DATA=str(directory / "data")) as docker:
        yield docker


def test_the_layers_are_merged(docker, image, way):
    script = (
        "ls /data; ls -d /gone; cat /link /kept/c; stat -c '%h %a' /kept/b /tool; /tool; stat -c '%a' /; "
        "grep ' / / ' /proc/self/mountinfo || grep '/upper / ' /proc/self/mountinfo"
    )
    out = docker("run", "--rm", image, "sh", "-c", script)[1].splitlines()
    assert out[:8] == ["new", "a", "c", "2 640", "1 4755", "tool", "755", out[7]]
    assert {"overlay": " - overlay ", "fuse-overlayfs": " fuse-overlayfs ", "copies": "/upper / "}[way] in out[7]
    assert "nodev" in out[7]


def test_what_is_written_is_there_at_the_next_start_and_in_no_other_container(docker, image):
    change = "cat /data/mine; echo more >>/data/mine; rm -rf /kept && mkdir /kept && ls /kept; rm -f /tool"
    docker.ok("run", "--name", "first", image, "sh", "-c", change)
    docker.ok("start", "first")
    assert docker.ok("wait", "first") == "0"
    assert docker.ok("logs", "first").splitlines()[-1] == "more"
    docker.ok("rm", "first")
    assert (
        docker.ok("run", "--rm", image, "sh", "-c", "ls /kept /tool /data") == "/tool\n\n/data:\nnew\n\n/kept:\na\nb\nc"
    )


@pytest.mark.needs("other-users")
def test_another_user_has_his_own_files_and_no_others(docker, image):
    script = (
        "cat /own/secret; echo new >/own/new; stat -c '%u:%g' /own/secret /own/new; "
        "exec 2>/dev/null; touch /kept/new || echo no; cat /kept/a || echo no; chown 0 /own/new || echo no"
    )
    out = docker.ok("run", "--rm", "-u", "33:34", image, "sh", "-c", script).splitlines()
    assert out == ["mine", "33:34", "33:34", "no", "no", "no"]
    assert (
        docker.ok("run", "--rm", image, "sh", "-c", "chown 55:56 /own/secret; stat -c '%u:%g' /own/secret") == "55:56"
    )


def test_exec_and_the_end(docker, image, way):
    before = observe()
    docker.ok("run", "-d", "--name", "lasting", image, "sleep", "1000")
    assert docker.ok("exec", "lasting", "cat", "/data/new") == "new"
    # The program that serves the files is none of the container's processes.
    assert "fuse-overlayfs" not in docker.ok("exec", "lasting", "ps")
    assert any("fuse-overlayfs -f" in line for line in observe() - before) is (way == "fuse-overlayfs")
    docker.ok("rm", "-f", "lasting")
    until_gone(lambda: [line for line in observe() - before if "fuse-overlayfs" in line])  # it ends after the answer


def test_the_read_only_root(docker, image):
    code, _, err = docker("run", "--rm", "--read-only", image, "touch", "/new")
    assert (code, "Read-only file system" in err) == (1, True)


def test_the_image_host(docker, way):
    code, out, err = docker(
        "run", "--rm", "host", "sh", "-c", "touch /etc/new /new && ls /tmp /run && head -n 1 /etc/passwd"
    )
    if way == "copies":
        assert (code, "the image host cannot be used here" in err) == (125, True)
        assert "install fuse-overlayfs" in err
    else:
        assert (code, err) == (0, "")
        assert out.splitlines() == ["/run:", "", "/tmp:", "root:x:0:0:root:/root:/bin/bash"]
        words = ["--tmpfs", "/etc", "host", "sh", "-c", "touch /etc/new && ! touch /new && ! touch /usr/new"]
        assert docker("run", "--rm", "--read-only", *words)[0] == 0, "also where each directory is a mount of its own"
