"""Limits as the files of cgroup v1 and v2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.cgroups.limits import convert_shares, device_line, v1_settings, v2_settings

RESOURCES = {
    "memory": {"limit": 64 << 20, "swap": 96 << 20},
    "cpu": {"shares": 1024, "quota": 50000, "period": 100000},
    "pids": {"limit": 50},
}


def test_v1_writes_the_limit_before_memory_and_swap():
    assert v1_settings(RESOURCES) == [
        ("memory", "memory.limit_in_bytes", str(64 << 20)),
        ("memory", "memory.memsw.limit_in_bytes", str(96 << 20)),
        ("cpu", "cpu.shares", "1024"),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("pids", "pids.max", "50"),
    ]


def test_v2_counts_swap_alone():
    assert v2_settings(RESOURCES) == [
        ("memory", "memory.max", str(64 << 20)),
        ("memory", "memory.swap.max", str(32 << 20)),
        ("cpu", "cpu.weight", "39"),
        ("cpu", "cpu.max", "50000 100000"),
        ("pids", "pids.max", "50"),
    ]


def test_nothing_asked_for_is_nothing_written():
    assert v1_settings({}) == v2_settings({}) == []


@given(st.integers(-10, 1 << 40))
def test_weights_stay_in_their_range(shares):
    assert 1 <= convert_shares(shares) <= 10000


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ({"allow": False, "access": "rwm"}, "a"),
        ({"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"}, "c 1:3 rw"),
        ({"allow": True, "type": "c", "major": 136, "minor": -1}, "c 136:* rwm"),
    ],
)
def test_device_rules_in_words_of_v1(rule, line):
    assert device_line(rule) == line
