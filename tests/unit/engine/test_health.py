"""Health checks: what is run, and what the results mean."""

import pytest

from container_runtime.engine.life import health
from container_runtime.errors import InvalidParameter

SHELL = ["/bin/sh", "-c"]


def result(code):
    return {"Start": "", "End": "", "ExitCode": code, "Output": ""}


def statuses(codes, retries=2, *, starting=False):
    one = health.Health()
    found = []
    for code in codes:
        one.record(result(code), retries, starting=starting)
        found.append(one.status)
    return found


def test_defaults_and_forms():
    check = health.resolve({"Test": ["CMD-SHELL", "a b"]}, SHELL)
    assert check is not None
    assert check.command == ["/bin/sh", "-c", "a b"]
    assert (check.interval, check.timeout, check.retries) == (30, 30, 3)
    assert (check.start_period, check.start_interval) == (0, 5)
    check = health.resolve({"Test": ["CMD", "a", "b"], "Interval": 1_500_000_000}, SHELL)
    assert check is not None
    assert check.command == ["a", "b"]
    assert check.interval == 1.5


@pytest.mark.parametrize("config", [None, {}, {"Test": ["NONE"]}, {"Test": []}, {"Interval": 10**9}])
def test_where_nothing_is_checked(config):
    assert health.resolve(config, SHELL) is None


def test_the_request_s_fields_come_before_the_image_s():
    image = {"Healthcheck": {"Test": ["CMD", "theirs"], "Interval": 5, "Retries": 9}}
    found = health.merged(image, {"Healthcheck": {"Interval": 7, "Test": []}})
    assert found == {"Test": ["CMD", "theirs"], "Interval": 7, "Retries": 9}
    assert health.merged({}, {}) is None


def test_retries_in_a_row_make_it_unhealthy():
    assert statuses([1, 0, 1, 1, 0]) == ["starting", "healthy", "healthy", "unhealthy", "healthy"]
    assert statuses([1, 1]) == ["starting", "unhealthy"]


def test_in_the_start_period_failures_do_not_count_until_the_first_success():
    assert statuses([1, 1, 1], starting=True) == ["starting"] * 3
    assert statuses([0, 1, 1], starting=True) == ["healthy", "healthy", "unhealthy"]


def test_the_last_five_results_are_kept():
    one = health.Health()
    for code in range(9):
        one.record(result(code), 3, starting=False)
    assert [entry["ExitCode"] for entry in one.details()["Log"]] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"Timeout": 5}, "Timeout in Healthcheck cannot be less than 1ms"),
        ({"Retries": -1}, "Retries in Healthcheck cannot be negative"),
        ({"Test": ["SHOUT", "x"]}, "SHOUT"),
    ],
)
def test_what_is_refused(config, told):
    with pytest.raises(InvalidParameter, match=told):
        health.check_request(config)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "200ms"), (1.5, "1.5s"), (30, "30s"), (90, "1m30s"), (3600, "1h0m0s")]
)
def test_durations_as_docker_writes_them(seconds, text):
    assert health.duration(seconds) == text
