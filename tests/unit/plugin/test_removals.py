"""Removals that go on at the same time, and how long they are awaited."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_containers.removals import Removals

if TYPE_CHECKING:
    from collections.abc import Callable

HANG = 20.0


def waiting(event: threading.Event | threading.Barrier) -> Callable[[], None]:
    def wait() -> None:
        event.wait(HANG)

    return wait


def test_those_of_an_engine_that_gains_go_on_together() -> None:
    removals, both = Removals(), threading.Barrier(2)
    with removals.together() as errors:
        removals.add(waiting(both))
        removals.add(waiting(both))
    assert errors == []


def test_those_of_others_are_removed_at_once() -> None:
    removals, gone = Removals(), list[int]()
    removals.add(lambda: gone.append(1))
    removals.several = False
    with removals.together():
        removals.add(lambda: gone.append(2))
        assert gone == [1, 2]


def test_what_goes_wrong_is_told_once_at_the_end() -> None:
    removals, gone = Removals(), list[int]()

    def fail() -> None:
        raise ValueError("no")

    with removals.together() as errors:
        removals.add(fail)
        removals.add(lambda: gone.append(1))
    assert [str(error) for error in errors] == ["no"]
    assert gone == [1]
    assert removals.finish() == []
    with pytest.raises(ValueError, match="no"):
        removals.add(fail)


def test_an_engine_that_does_not_answer_is_not_awaited_for_long_in_a_hurry() -> None:
    removals, answered = Removals(), threading.Event()
    removals.hurry(time.monotonic())
    removals.add(waiting(answered))
    assert not removals.wait()
    answered.set()
    removals.hurry(None)
    assert removals.wait()
