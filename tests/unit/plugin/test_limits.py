import pytest

from pytest_containers.limits import Limits, parse_size


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (0, 0),
        (7, 7),
        ("7", 7),
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("1.5g", 3 << 29),
        ("1k", 1024),
        ("2MiB", 2 << 20),
    ],
)
def test_sizes(value: object, size: int) -> None:
    assert parse_size("memory", value) == size


@pytest.mark.parametrize("value", ["", "lots", "-1m", -1, True, 1.5, None, "64mm"])
def test_bad_sizes_are_named(value: object) -> None:
    with pytest.raises(ValueError, match=r"memory must be bytes or a size such as '64m'"):
        parse_size("memory", value)


def test_words_of_the_engine() -> None:
    limits = Limits(memory="64m", swap="16m", cpus=0.5, cpu_shares=512, pids=50)
    assert limits.host_config() == {
        "Memory": 64 << 20,
        "MemorySwap": 80 << 20,
        "NanoCpus": 500_000_000,
        "CpuShares": 512,
        "PidsLimit": 50,
    }
    assert Limits().host_config() == {}


def test_merging_keeps_what_is_left_open() -> None:
    merged = Limits(memory="64m", cpus=1).merged(Limits(memory="32m", pids=5))
    assert merged == Limits(memory="32m", cpus=1, pids=5)
    assert Limits(pids=1).merged(None) == Limits(pids=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"memory": "5m"}, "memory must be at least 6m"),
        ({"swap": "5m"}, "only together with memory"),
        ({"cpus": 0}, "cpus must be a number"),
        ({"cpus": "1"}, "cpus must be a number"),
        ({"cpu_shares": 1}, "cpu_shares must be a whole number from 2"),
        ({"cpu_shares": 1 << 20}, "cpu_shares must be at most 262144"),
        ({"pids": 1.5}, "pids must be a whole number"),
        ({"pids": True}, "pids must be a whole number"),
    ],
)
def test_bad_limits_are_named(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Limits(**arguments)  # pyright: ignore[reportArgumentType]
