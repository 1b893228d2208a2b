"""Which hierarchy a group goes into, read from texts of other machines."""

import errno
from pathlib import Path

import pytest

from container_runtime.cgroups import detect as module
from container_runtime.cgroups.detect import below_mount, detect, parse_membership, parse_mounts

HYBRID = """\
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_mounts_of_a_hybrid_machine():
    v1, v2 = parse_mounts(HYBRID)
    assert v1["memory"] == ("/sys/fs/cgroup/memory", "/")
    assert v1["cpu"] == v1["cpuacct"] == ("/sys/fs/cgroup/cpu,cpuacct", "/")
    assert v2 == ("/sys/fs/cgroup/unified", "/")


def test_membership():
    v1, v2 = parse_membership("4:memory:/a/b\n1:cpu,cpuacct:/\n0::/user.slice\n")
    assert v1 == {"memory": "/a/b", "cpu": "/", "cpuacct": "/"}
    assert v2 == "/user.slice"


def test_a_hierarchy_of_which_a_part_is_mounted():
    assert below_mount("/sys/fs/cgroup", "/docker/x", "/docker/x/y") == "/sys/fs/cgroup/y"
    assert below_mount("/sys/fs/cgroup", "/", "/") == "/sys/fs/cgroup"


def test_on_a_hybrid_machine_v1_is_used():
    layout = detect(HYBRID, "4:memory:/nowhere/here\n0::/\n", lambda _: True)
    assert layout.v1 == {"memory": "/sys/fs/cgroup/memory"}
    assert not layout.v2


class Tree:
    """A cgroup v2 hierarchy of plain files, with the rule that a group with processes gives its children nothing."""

    def __init__(self, point, monkeypatch):
        self.point = point
        self.mine = set()
        self.group("", "memory pids cpu cpuset io", "memory pids cpu cpuset io")
        monkeypatch.setattr(module.files, "write", self._write)

    def group(self, path, offered, given="", *, mine=False, processes=False):
        directory = self.point / path
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.controllers").write_text(offered)
        (directory / "cgroup.subtree_control").write_text(given)
        (directory / "cgroup.procs").write_text("1\n" if processes else "")
        if mine:
            self.mine.add(str(directory))
        return directory

    def _write(self, path, text):
        directory = Path(path).parent
        if str(directory) not in self.mine:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        if (directory / "cgroup.procs").read_text():
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        with Path(path).open("a") as file:
            file.write(" " + text.removeprefix("+"))

    def detect(self, own):
        mounts = f"30 1 0:26 / {self.point} rw - cgroup2 cgroup2 rw,nsdelegate\n"
        return detect(mounts, f"0::/{own}\n", lambda directory: directory in self.mine)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    return Tree(tmp_path, monkeypatch)


def systemd(tree, given):
    """What ``systemd-run --user --scope -p Delegate=yes`` is run in: the scope has our process in it."""
    tree.group("user.slice", "memory pids cpu cpuset io", given)
    tree.group("user.slice/user-1000.slice", given, given)
    service = "user.slice/user-1000.slice/user@1000.service"
    tree.group(service, given, given, mine=True)
    tree.group(f"{service}/init.scope", given, mine=True, processes=True)
    apps = tree.group(f"{service}/app.slice", given, mine=True)
    tree.group(f"{service}/app.slice/run-u1.scope", given, mine=True, processes=True)
    return str(apps), f"{service}/app.slice/run-u1.scope"


def test_a_scope_of_the_user_manager_has_processes_so_the_slice_above_is_it(tree):
    apps, own = systemd(tree, "cpu memory pids")
    layout = tree.detect(own)
    assert (layout.v2, layout.v2_controllers) == (apps, {"memory", "cpu", "pids"})
    assert not layout.v1


def test_what_systemd_gives_a_user_before_version_252(tree):
    apps, own = systemd(tree, "memory pids")
    layout = tree.detect(own)
    assert (layout.v2, layout.v2_controllers) == (apps, {"memory", "pids"})


def test_a_login_session_is_root_s(tree):
    systemd(tree, "cpu memory pids")
    tree.group("user.slice/user-1000.slice/session-3.scope", "cpu memory pids", processes=True)
    layout = tree.detect("user.slice/user-1000.slice/session-3.scope")
    assert (layout.v2, layout.v2_controllers) == ("", frozenset())


def test_an_empty_group_that_the_user_was_given_with_processes_in_a_leaf(tree):
    mine = tree.group("given", "cpu memory pids", mine=True)
    tree.group("given/leaf", "", mine=True, processes=True)
    layout = tree.detect("given/leaf")
    assert (layout.v2, layout.v2_controllers) == (str(mine), {"memory", "cpu", "pids"})


def test_nothing_is_mine(tree):
    tree.group("other", "cpu memory pids", processes=True)
    assert tree.detect("other").v2 == ""


def test_a_machine_whose_kernel_has_no_controllers(tree):
    tree.group("", "", "", mine=True, processes=True)
    layout = tree.detect("")
    assert (layout.v2, layout.v2_controllers) == (str(tree.point), frozenset())
