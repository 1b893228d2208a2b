"""The budget of a run, over several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_containers.budget import Budget
from pytest_containers.errors import ContainerError

if TYPE_CHECKING:
    from pathlib import Path

M = 1 << 20
OTHER = """
import os, sys
from pathlib import Path
from pytest_containers.budget import Budget
budget = Budget(lambda: Path(sys.argv[1]), "gw1", int(sys.argv[2]), None, 60)
for command in sys.stdin:
    if command == "take\\n":
        place = budget.take(None, "theirs")
    else:
        budget.give(place)
    print("done", flush=True)
"""


def of(directory: Path, *, containers: int | None = None, memory: int | None = None, patience: float = 60) -> Budget:
    return Budget(lambda: directory, "gw0", containers, memory, patience)


class Other:
    """Another process with the same budget."""

    def __init__(self, directory: Path, containers: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(directory), str(containers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, command: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def done(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_places_are_given_back(tmp_path: Path) -> None:
    budget = of(tmp_path, containers=2)
    first, _ = budget.take(None, "a"), budget.take(None, "b")
    budget.give(first)
    budget.give(first)
    budget.take(None, "c")
    budget.close()
    assert list(tmp_path.glob("*.fifo")) == []


def test_memory_is_what_limits_come_to(tmp_path: Path) -> None:
    budget = of(tmp_path, memory=512 * M)
    budget.take(64 * M, "small")
    budget.take(None, "unlimited")
    budget.take(192 * M, "rest")
    with pytest.raises(ContainerError, match=r"the budget \(--containers-memory=512m\) is spent"):
        budget.take(6 * M, "more")
    budget.close()


@pytest.mark.parametrize(
    ("memory", "says"), [(2048 * M, "its limit is 2g"), (None, "without a limit of memory it counts 256m")]
)
def test_what_can_never_fit_is_an_error_at_once(tmp_path: Path, memory: int | None, says: str) -> None:
    with pytest.raises(ContainerError, match=rf"container db can never start: {says}, and --containers-memory allows "):
        of(tmp_path, memory=128 * M).take(memory, "db")


def test_what_only_the_same_process_could_give_back_is_not_awaited(tmp_path: Path) -> None:
    budget = of(tmp_path, containers=1, patience=10**6)
    budget.take(64 * M, "db")
    with pytest.raises(ContainerError, match=r"which only this process could give back; it is held by db \(gw0\) 64m"):
        budget.take(None, "web")
    budget.close()


def test_what_the_process_can_do_without_is_given_back_first(tmp_path: Path) -> None:
    budget = of(tmp_path, containers=1)
    spare = [budget.take(None, "warm")]
    budget.spare = lambda: budget.give(spare.pop())
    budget.take(None, "mine")
    assert spare == []
    budget.close()


def test_another_process_is_awaited_until_it_gives_back(tmp_path: Path) -> None:
    budget, other = of(tmp_path, containers=1), Other(tmp_path, 1)
    try:
        place = budget.take(None, "mine")
        other.say("take")
        budget.give(place)
        other.done()
        other.say("give")
        other.done()
        budget.take(None, "mine again")
    finally:
        other.end()
        budget.close()


def test_a_process_that_is_killed_gives_back(tmp_path: Path) -> None:
    budget, other = of(tmp_path, containers=1), Other(tmp_path, 1)
    other.say("take")
    other.done()
    child = os.fork()
    if child == 0:
        try:
            budget.take(None, "awaited")
            os._exit(0)
        finally:
            os._exit(1)
    other.end()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    budget.take(None, "after both")
    budget.close()


def test_patience_ends_with_who_holds_it(tmp_path: Path) -> None:
    other = Other(tmp_path, 1)
    other.say("take")
    other.done()
    try:
        with pytest.raises(ContainerError, match=r"nobody gave anything back in 0.01 s; it is held by theirs \(gw1\)"):
            of(tmp_path, containers=1, patience=0.01).take(None, "mine")
    finally:
        other.end()
