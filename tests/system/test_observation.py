"""The figures of containers on the real kernel, whichever cgroups it has."""

from __future__ import annotations

import pytest

from pytest_containers import wait
from pytest_containers.session import engine_of

pytestmark = [pytest.mark.vm, pytest.mark.needs("limits")]


@pytest.mark.container_limits(memory="256m", pids=50)
def test_figures_are_those_of_the_container(containers, pytestconfig):
    # 20 MB in memory, some time of a processor, and three processes; ready when all of that is so.
    script = "sleep 1000 & head -c 20000000 /dev/zero > /dev/shm/x; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; "
    box = containers.run("host", ["sh", "-c", script + "echo ready; sleep 1000"], wait=wait.log("ready"))
    found = engine_of(pytestconfig).client.containers.stats(box.id)
    memory, processor = found["memory_stats"], found["cpu_stats"]
    assert memory["limit"] == 256 << 20
    assert 20_000_000 < memory["usage"] < memory["limit"]
    assert {"total_inactive_file", "inactive_file"} & memory["stats"].keys()
    assert found["pids_stats"] == {"current": 3, "limit": 50}
    used = processor["cpu_usage"]
    assert 0 < found["precpu_stats"]["cpu_usage"]["total_usage"] <= used["total_usage"]
    assert found["precpu_stats"]["system_cpu_usage"] < processor["system_cpu_usage"]
    assert processor["online_cpus"] > 0
    assert used["usage_in_usermode"] + used["usage_in_kernelmode"] > 0


def test_processes_in_groups_of_their_own_are_seen(containers, pytestconfig):
    box = containers.run("host", ["sh", "-c", "sleep 1000 & echo ready; sleep 1000"], wait=wait.log("ready"))
    found = engine_of(pytestconfig).client.containers.top(box.id, "-o pid,args")
    assert found["Titles"] == ["PID", "COMMAND"]
    assert sum(row[1] == "sleep 1000" for row in found["Processes"]) == 2
    assert str(box.inspect()["State"]["Pid"]) in [row[0] for row in found["Processes"]]
