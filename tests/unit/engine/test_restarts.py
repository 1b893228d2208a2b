"""Restart policies: pure decisions."""

import pytest

from container_runtime.engine.life.restarts import LONGEST_DELAY, Restarts, check_policy
from container_runtime.errors import InvalidParameter


@pytest.mark.parametrize(
    ("policy", "code", "wanted"),
    [
        ({}, 1, False),
        ({"Name": ""}, 1, False),
        ({"Name": "no"}, 1, False),
        ({"Name": "always"}, 0, True),
        ({"Name": "unless-stopped"}, 137, True),
        ({"Name": "on-failure"}, 0, False),
        ({"Name": "on-failure"}, 1, True),
    ],
)
def test_what_a_policy_wants(policy, code, wanted):
    assert Restarts().wanted(policy, code) is wanted


def test_a_count_of_failures_ends_it():
    restarts = Restarts()
    policy = {"Name": "on-failure", "MaximumRetryCount": 2}
    assert restarts.wanted(policy, 1)
    restarts.count = 2
    assert not restarts.wanted(policy, 1)
    restarts.begin()
    assert restarts.wanted(policy, 1)


def test_who_was_stopped_stays_so_until_started():
    restarts = Restarts()
    restarts.give_up()
    assert not restarts.wanted({"Name": "always"}, 0)
    restarts.begin()
    assert restarts.wanted({"Name": "always"}, 0)


def test_delays_double_up_to_a_minute_and_begin_anew_after_ten_seconds():
    restarts = Restarts()
    assert [restarts.next_delay(0) for _ in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert restarts.next_delay(10) == 0.1
    assert max(restarts.next_delay(9.9) for _ in range(20)) == LONGEST_DELAY


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ({"RestartPolicy": {"Name": "maybe"}}, "unknown policy 'maybe'"),
        ({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}}, "cannot be negative"),
        ({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 1}}, "only be used with 'on-failure'"),
        ({"RestartPolicy": {"Name": "always"}, "AutoRemove": True}, "can't create 'AutoRemove' container"),
    ],
)
def test_policies_that_make_no_sense(host, told):
    with pytest.raises(InvalidParameter, match=told):
        check_policy(host)
