"""Limits that rest while a debugger is open."""

import select
import socket
import sys
from bdb import Bdb
from types import FrameType

import pytest

from pytest_containers import resting
from pytest_containers.resting import LOOK_AGAIN, Limit


def test_time_in_which_limits_rest_does_not_count() -> None:
    limit = Limit(0.05)
    with resting.resting():
        select.select([], [], [], 0.06)
        assert limit.left() == LOOK_AGAIN
    assert limit.left() > 0
    select.select([], [], [], 0.06)
    assert limit.left() == 0


def test_they_go_on_once_they_are_told_to() -> None:
    resting.stop()
    resting.stop()
    resting.go()
    resting.go()
    assert Limit(1e-9).left() == 0


def test_what_is_polled_for() -> None:
    here, there = socket.socketpair()
    with here, there:
        poll = select.poll()
        poll.register(here, select.POLLIN)
        assert Limit(0).poll(poll) == []
        there.send(b"x")
        assert Limit(0).poll(poll) == [(here.fileno(), select.POLLIN)]


def test_nothing_is_over_while_a_debugger_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit(0)
    monkeypatch.setattr(sys, "gettrace", lambda: Bdb().trace_dispatch)
    assert limit.left() == LOOK_AGAIN

    def measures(_frame: FrameType, _event: str, _argument: object) -> None: ...

    monkeypatch.setattr(sys, "gettrace", lambda: measures)
    assert limit.left() == 0
