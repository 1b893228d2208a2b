"""What is refused because nobody could give it."""

import os

import pytest

from container_runtime.engine.request.admission import check, numbers
from container_runtime.errors import InvalidParameter


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ({"NanoCpus": 10_000 * 10**9}, "range of CPUs"),
        ({"NanoCpus": -1}, "range of CPUs"),
        ({"CpusetCpus": "8000"}, "Requested CPUs are not available"),
        ({"CpusetCpus": "a-b"}, "HostConfig.CpusetCpus"),
        ({"CpusetCpus": "0-99999999999"}, "HostConfig.CpusetCpus"),
        ({"CpusetMems": "900"}, "Requested memory nodes are not available"),
        ({"MemorySwappiness": 200}, "0-100"),
        ({"ExtraHosts": ["nonsense"]}, "bad format for add-host"),
        ({"ExtraHosts": ["name:nonsense"]}, "invalid IP address in add-host"),
    ],
)
def test_refused(host, told):
    with pytest.raises(InvalidParameter, match=told):
        check(host)


def test_taken():
    check({})
    check({"NanoCpus": (os.cpu_count() or 1) * 10**9, "CpusetCpus": "0", "CpusetMems": "0", "MemorySwappiness": 0})
    check({"ExtraHosts": ["a:10.0.0.1", "b:::1", "c=[::1]", "d:host-gateway"]})


def test_lists():
    assert numbers("0-2,5\n") == {0, 1, 2, 5}
    for text in ("", "1-", "-1", "3-1", "x"):
        with pytest.raises(ValueError, match=r"invalid literal|3-1"):
            numbers(text)
