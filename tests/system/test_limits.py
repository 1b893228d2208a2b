"""Limits on the real kernel, whichever cgroups it has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_containers import Limits

pytestmark = [pytest.mark.vm, pytest.mark.needs("limits")]

ALLOCATE_200_MB = ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"]


def cgroup_file(container, controller: str, v1: str, v2: str) -> str:
    """The content of a file in the cgroup of the container's first process."""
    membership = Path(f"/proc/{container.inspect()['State']['Pid']}/cgroup").read_text().splitlines()
    own = dict(line.split(":", 2)[1:] for line in membership)
    mounts = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for left, right in mounts:
        kind, _, options = right.split(" ", 2)
        root, point = left.split()[3:5]
        names = next((names for names in own if controller in names.split(",")), "")
        if kind == "cgroup" and names and controller in options.split(","):
            return (Path(point) / os.path.relpath(own[names], root) / v1).read_text().strip()
    for left, right in mounts:
        if right.startswith("cgroup2 "):
            root, point = left.split()[3:5]
            return (Path(point) / os.path.relpath(own[""], root) / v2).read_text().strip()
    raise AssertionError(f"no cgroup with {controller}")


@pytest.mark.container_limits(memory="64m")
def test_more_memory_than_allowed_is_the_end(containers):
    box = containers.run("host", ALLOCATE_200_MB)
    assert box.wait() == 137
    assert box.inspect()["State"]["OOMKilled"] is True


@pytest.mark.container_limits(memory="400m")
def test_as_much_memory_as_allowed_is_not(containers):
    box = containers.run("host", ALLOCATE_200_MB)
    assert box.wait() == 0, box.logs()
    assert box.inspect()["State"]["OOMKilled"] is False


def test_report_says_out_of_memory(pytester):
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.container_limits(memory="64m")
        def test_service(containers):
            assert containers.run("host", {ALLOCATE_200_MB!r}).wait() == 0
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    assert "out of memory" in result.stdout.str()


def test_limits_are_the_kernels(containers):
    box = containers.run("host", ["sleep", "1000"], limits=Limits(memory="64m", cpus=0.5, pids=50))
    assert cgroup_file(box, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert cgroup_file(box, "pids", "pids.max", "pids.max") == "50"
    quota = cgroup_file(box, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0]
    period = cgroup_file(box, "cpu", "cpu.cfs_period_us", "cpu.max").split()[-1]
    assert int(quota) / int(period) == 0.5


@pytest.mark.container_limits(pids=5)
def test_number_of_processes(containers):
    box = containers.run("host", ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 100 & done; echo done; sleep 100"])
    assert box.wait() != 0
    assert "fork" in str(box.logs()).lower()
