"""``--containers-max`` and ``--containers-memory``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

TEST = """
    import os
    import pytest
    @pytest.mark.parametrize("number", range(4))
    def test_it(containers, number):
        box = containers.run("host", "sleep 1000")
        running = box._client.containers.list(filters={"label": [f"org.pytest-containers.run={box.engine.run}"]})
        assert len(running) == 1
        if number == 2 and os.environ.get("LOSE"):
            os.kill(os.getpid(), 9)
        box.remove()
        containers.run("host", "sleep 1000")
"""


def test_all_workers_together_have_so_many_containers(run: Run) -> None:
    pytest.importorskip("xdist")
    run("-n", "3", "--containers-max=1", test_it=TEST, test_other=TEST).assert_outcomes(passed=8)


def test_a_lost_worker_has_none_any_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xdist")
    monkeypatch.setenv("LOSE", "1")
    test = TEST.replace("assert len(running) == 1", "")  # the lost one's own container goes with the run
    run("-n", "2", "--containers-max=1", test_it=test).assert_outcomes(passed=3, failed=1)


@pytest.mark.needs("limits")
def test_memory_of_all_is_bounded(run: Run) -> None:
    result = run(
        "--containers-memory=300m",
        test_it="""
            import pytest
            from pytest_containers import ContainerError, Limits, container
            box = container("host", "sleep 1000", scope="module")
            def test_fits(box, containers): containers.run("host", "true", limits=Limits(memory="44m"))
            def test_spent(box, containers): containers.run("host", "true", limits=Limits(memory="45m"))
            def test_never(containers): containers.run("host", "true", limits=Limits(memory="301m"))
        """,
    )
    result.assert_outcomes(passed=1, failed=2)
    spent = "the budget (--containers-memory=300m) is spent, which only this process could give back"
    never = "its limit is 301m, and --containers-memory allows 300m for all"
    result.stdout.fnmatch_lines([f"*container host cannot start: {spent}; it is held by box (main) 256m"])
    result.stdout.fnmatch_lines([f"*container host can never start: {never}"])


def test_warm_containers_make_room(run: Run) -> None:
    result = run(
        "--containers-max=1",
        test_it="""
            import pytest
            @pytest.mark.in_container
            def test_inside(): pass
            def test_beside(containers): containers.run("host", "true")
        """,
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--containers-max=-1", "containers_max must be a whole number from 0 up, not '-1'"),
        ("--containers-memory=lots", "containers_memory must be bytes or a size such as '64m' or '1.5g', not 'lots'"),
    ],
)
def test_wrong_settings_are_errors(run: Run, option: str, message: str) -> None:
    run(option, test_it="def test_it(): pass").stderr.fnmatch_lines([f"ERROR: {message}"])
