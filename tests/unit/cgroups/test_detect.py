"""Which hierarchy a group goes into, read from texts of other machines."""

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
