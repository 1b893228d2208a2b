"""The figures of groups, from texts as kernels write them."""

from container_runtime.cgroups import stats

MOUNTS = (
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 /outer /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)


def test_groups_are_found_by_the_name_of_the_run_whatever_stands_below():
    membership = "3:cpu,cpuacct:/run-1/spare-4/inner\n2:memory:/outer/run-1/spare-4\n0::/elsewhere\n"
    assert stats.locate(membership, MOUNTS, "run-1") == {
        "cpu": "/sys/fs/cgroup/cpu,cpuacct/run-1/spare-4",
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct/run-1/spare-4",
        "memory": "/sys/fs/cgroup/memory/run-1/spare-4",
    }
    assert stats.locate("0::/a/run-1/c\n", MOUNTS, "run-1") == {"": "/sys/fs/cgroup/unified/a/run-1/c"}
    assert stats.locate(membership, MOUNTS, "run-2") == {}
    assert stats.locate("0::/a/run-1\n", MOUNTS, "run-1") == {}


def test_system_time_and_processors():
    text = "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu1 1 2 3 4 5 6 7 8 9 10\nintr 5\n"
    assert stats.parse_system_cpu(text) == (28 * 10_000_000, 2)


def test_interfaces_without_lo():
    text = (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
        "    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n"
        "  eth0:1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n"
    )
    assert stats.parse_interfaces(text) == {
        "eth0": {
            "rx_bytes": 1000, "rx_packets": 10, "rx_errors": 1, "rx_dropped": 2,
            "tx_bytes": 2000, "tx_packets": 20, "tx_errors": 3, "tx_dropped": 4,
        }
    }  # fmt: skip


def test_block_devices():
    assert stats.parse_blkio("8:0 Read 5\n8:0 Write 6\nTotal 11\n\n8:0 7\n") == [
        {"major": 8, "minor": 0, "op": "Read", "value": 5},
        {"major": 8, "minor": 0, "op": "Write", "value": 6},
        {"major": 8, "minor": 0, "op": "", "value": 7},
    ]
    assert stats.parse_io("254:1 rbytes=7 wbytes=8 rios=1\n8:0 \n") == [
        {"major": 254, "minor": 1, "op": "read", "value": 7},
        {"major": 254, "minor": 1, "op": "write", "value": 8},
        {"major": 8, "minor": 0, "op": "read", "value": 0},
        {"major": 8, "minor": 0, "op": "write", "value": 0},
    ]


def write(directory, files):
    directory.mkdir()
    for name, text in files.items():
        (directory / name).write_text(text)
    return str(directory)


def test_version_1(tmp_path):
    accounting = write(
        tmp_path / "cpu",
        {
            "cpuacct.usage": "123456\n",
            "cpuacct.stat": "user 3\nsystem 4\n",
            "cpuacct.usage_percpu": "100000 23456 \n",
            "cpu.stat": "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n",
        },
    )
    memory = write(
        tmp_path / "memory",
        {
            "memory.usage_in_bytes": "4096\n",
            "memory.max_usage_in_bytes": "8192\n",
            "memory.failcnt": "0\n",
            "memory.limit_in_bytes": "9223372036854771712\n",
            "memory.stat": "cache 5\ntotal_inactive_file 6\nsomething_new 7\n",
        },
    )
    pids = write(tmp_path / "pids", {"pids.current": "2\n", "pids.max": "max\n"})
    blkio = write(
        tmp_path / "blkio",
        {
            "blkio.bfq.io_service_bytes_recursive": "Total 0\n",
            "blkio.throttle.io_service_bytes_recursive": "8:0 Read 9\nTotal 9\n",
            "blkio.throttle.io_serviced_recursive": "8:0 Read 1\nTotal 1\n",
        },
    )
    found = stats.read({"cpu": accounting, "cpuacct": accounting, "memory": memory, "pids": pids, "blkio": blkio})
    assert found["cpu_stats"] == {
        "cpu_usage": {
            "total_usage": 123456, "usage_in_kernelmode": 40_000_000, "usage_in_usermode": 30_000_000,
            "percpu_usage": [100000, 23456],
        },
        "throttling_data": {"periods": 1, "throttled_periods": 2, "throttled_time": 3},
    }  # fmt: skip
    assert found["memory_stats"] == {
        "usage": 4096,
        "max_usage": 8192,
        "limit": 9223372036854771712,
        "stats": {"cache": 5, "total_inactive_file": 6},
    }
    assert found["pids_stats"] == {"current": 2}
    assert found["blkio_stats"]["io_service_bytes_recursive"] == [{"major": 8, "minor": 0, "op": "Read", "value": 9}]
    assert found["blkio_stats"]["io_serviced_recursive"] == [{"major": 8, "minor": 0, "op": "Read", "value": 1}]


def test_version_2(tmp_path):
    group = write(
        tmp_path / "group",
        {
            "cpu.stat": "usage_usec 10\nuser_usec 6\nsystem_usec 4\nnr_periods 1\nnr_throttled 2\nthrottled_usec 3\n",
            "memory.current": "4096\n",
            "memory.max": "max\n",
            "memory.stat": "anon 1\ninactive_file 2\nsomething_new 7\n",
            "memory.events": "low 0\noom 3\n",
            "pids.current": "2\n",
            "pids.max": "50\n",
            "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n",
        },
    )
    found = stats.read({"": group})
    assert found["cpu_stats"] == {
        "cpu_usage": {"total_usage": 10_000, "usage_in_kernelmode": 4_000, "usage_in_usermode": 6_000},
        "throttling_data": {"periods": 1, "throttled_periods": 2, "throttled_time": 3_000},
    }
    memory = {"usage": 4096, "limit": None, "stats": {"anon": 1, "inactive_file": 2}, "failcnt": 3}
    assert found["memory_stats"] == memory
    assert found["pids_stats"] == {"current": 2, "limit": 50}
    assert [entry["value"] for entry in found["blkio_stats"]["io_service_bytes_recursive"]] == [1, 2]


def test_a_group_that_has_gone_and_a_user_without_groups():
    for places in ({"": "/nowhere"}, {"memory": "/nowhere", "pids": "/nowhere"}, {}):
        found = stats.read(places)
        assert found["cpu_stats"]["cpu_usage"]["total_usage"] == 0
        assert found["pids_stats"] == {}
        assert not found["memory_stats"].get("usage")


def test_processes_of_groups_below_count(tmp_path):
    write(tmp_path / "group", {"cgroup.procs": "7\n3\n"})
    write(tmp_path / "group/inner", {"cgroup.procs": "9\n"})
    assert stats.processes({"memory": str(tmp_path / "group"), "pids": str(tmp_path / "group")}) == [3, 7, 9]
    assert stats.processes({}) == []
