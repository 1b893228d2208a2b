"""Which strategy is chosen for root filesystems, and how the answer is remembered."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from container_runtime.state import roots
from container_runtime.state.rundir import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDirectory]:
    monkeypatch.setenv("PYTEST_CONTAINERS_DATA", str(tmp_path / "data"))
    run = RunDirectory(tmp_path / "run")
    yield run
    run.remove()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What refuses with which errno; "overlay" may be followed by a place's number."""
    refused: dict[str, int] = {}
    order: list[str] = []

    def attempt(trial: Callable[[Path], None], place: Path) -> int:
        name = next(name for name, known in roots.STRATEGIES.items() if known is trial)
        order.append(str(place))
        return refused.get(f"{name} {order.index(str(place))}", refused.get(name, 0))

    monkeypatch.setattr(roots, "_attempt", attempt)
    return refused


def test_an_overlay_where_there_is_one(run: RunDirectory, machine: dict[str, int]) -> None:
    roots.settle(run)
    assert run.strategy == "overlay"
    machine["overlay"] = errno.EPERM
    roots.settle(run)  # it is not tried again
    assert run.strategy == "overlay"


def test_the_next_place_where_the_first_takes_no_upper_directory(run: RunDirectory, machine: dict[str, int]) -> None:
    first = run.layers
    machine["overlay 0"] = errno.EINVAL
    roots.settle(run)
    assert run.strategy == "overlay"
    assert run.layers != first
    assert run.layers.is_dir()
    assert not first.exists()
    again = RunDirectory(run.path.with_name("again"))
    try:
        roots.settle(again)
        assert again.layers.parent != first.parent  # remembered with the answer
    finally:
        again.remove()


def test_what_there_is_instead_is_tried_in_order(run: RunDirectory, machine: dict[str, int]) -> None:
    machine["overlay"] = errno.EPERM
    assert roots.choose(run).strategy == "fuse-overlayfs"
    machine["fuse-overlayfs"] = errno.EACCES
    roots.settle(run)
    assert run.strategy == "copies"
    machine.clear()
    roots.settle(run)
    assert run.strategy == "copies"


def test_what_may_pass_is_not_remembered(run: RunDirectory, machine: dict[str, int]) -> None:
    machine["overlay"] = errno.ENOSPC
    roots.settle(run)
    assert run.strategy == "fuse-overlayfs"
    machine.clear()
    roots.settle(run)
    assert run.strategy == "overlay"


def test_an_answer_holds_for_one_kernel_and_what_is_installed(
    run: RunDirectory, machine: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roots, "program", lambda: None)
    machine.update({"overlay": errno.EPERM, "fuse-overlayfs": errno.ENOENT})
    roots.settle(run)
    assert run.strategy == "copies"
    del machine["fuse-overlayfs"]
    monkeypatch.setattr(roots, "program", lambda: "/usr/bin/fuse-overlayfs")
    monkeypatch.setattr(roots.os, "access", lambda *_: True)
    roots.settle(run)
    assert run.strategy == "fuse-overlayfs"


@pytest.mark.parametrize("text", ["", "nonsense\n", "\udcff", "{condition} other 0\n", "{condition} overlay 77\n"])
def test_a_file_that_says_nothing_useful(run: RunDirectory, machine: dict[str, int], text: str) -> None:
    file = run.places[0] / "root-filesystem"
    file.write_bytes(text.replace("{condition}", roots._condition()).encode(errors="surrogateescape"))
    machine["overlay"] = errno.EPERM
    roots.settle(run)
    assert run.strategy == "fuse-overlayfs"
    assert roots._condition() in file.read_text()


def test_the_trials_on_this_kernel_end_and_leave_nothing(run: RunDirectory) -> None:
    """Whether they are allowed depends on who we are; with nothing allowed, the first start says why."""
    answer = roots.choose(run)
    assert answer.strategy in roots.STRATEGIES
    assert [*run.layers.iterdir()] == []
