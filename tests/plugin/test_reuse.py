"""Containers that are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_containers.client import Client
from pytest_containers.engine import REUSE_LABEL
from pytest_containers.reuse.cleaning import clean
from pytest_containers.reuse.kept import kept_home, pointers
from tests.plugin.conftest import ELSEWHERE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Run = Callable[..., pytest.RunResult]

BOX = """
    from pathlib import Path
    from pytest_containers import container, wait

    def note(kind, box):
        with open(kind, "a") as file:
            file.write(box.id + "\\n")

    box = container("host", "sh -c 'echo begun; exec sleep 1000'", reuse=True, env={"VALUE": "1"},
                    wait=wait.log("begun"), after_ready=lambda box: note("started", box))
"""
TEST = """
    import sys
    def test_it(box):
        assert box.exec("true").exit_code == 0
        with open("seen", "a") as file:
            file.write(f"{box.id} {box._engine.url} {box.slice()}\\n")
"""


@pytest.fixture
def seen(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[], list[list[str]]]]:
    """The ids, engines and slices that tests saw; the kept engine is this test's own, by where its images are.

    At the end what was kept is removed as ``pytest-containers clean`` does.
    """
    monkeypatch.setenv("PYTEST_CONTAINERS_DATA", f"{pytester.path}-data")  # pytest would look for tests in it
    before = set(pointers(kept_home()))
    monkeypatch.setenv("DOCKER_HOST", ELSEWHERE or "unix:///nosuch.sock")
    yield lambda: [line.split() for line in (pytester.path / "seen").read_text().splitlines()]
    made = set() if ELSEWHERE else set(pointers(kept_home())) - before
    own = pytester.mkdir("own")
    for pointer in made:
        (own / pointer.name).write_text(pointer.read_text())
        pointer.unlink()
    cleaned = list(clean(own))
    assert len(made) == len(cleaned) or ELSEWHERE
    assert not ELSEWHERE or kept(ELSEWHERE) == []


def kept(url: str) -> list[str]:
    """The containers there that are kept between runs."""
    with Client(url) as client:
        found = client.containers.list(all=True, filters={"label": [REUSE_LABEL]})
    return [one.get("Id", "") for one in found]


def test_it_is_found_again_by_the_next_run(run: Run, seen: Callable[[], list[list[str]]]) -> None:
    for _ in range(2):
        run(conftest=BOX, test_it=TEST).assert_outcomes(passed=1)
    first, second = seen()
    assert first[:2] == second[:2]
    assert first[2] != second[2]  # the slices of earlier runs are still there
    assert Path("started").read_text().splitlines() == [first[0]]


def test_another_definition_takes_its_place(run: Run, seen: Callable[[], list[list[str]]]) -> None:
    run(conftest=BOX, test_it=TEST).assert_outcomes(passed=1)
    run(conftest=BOX.replace('"1"', '"2"'), test_it=TEST).assert_outcomes(passed=1)
    first, second = seen()
    assert first[0] != second[0]
    assert kept(first[1]) == [second[0]]


def test_one_that_has_ended_is_started_again(run: Run, seen: Callable[[], list[list[str]]]) -> None:
    run(conftest=BOX, test_it=TEST).assert_outcomes(passed=1)
    with Client(seen()[0][1]) as client:
        client.containers.kill(seen()[0][0])
        client.containers.wait(seen()[0][0])
    run(conftest=BOX, test_it=TEST).assert_outcomes(passed=1)
    first, second = seen()
    assert first[0] == second[0]


def test_one_that_never_became_ready_is_not_found_again(run: Run, seen: Callable[[], list[list[str]]]) -> None:
    lost = BOX.replace("note(kind, box):", "note(kind, box):\n        import os; os.kill(os.getpid(), 9)")
    run(conftest=lost, test_it=TEST)
    run(conftest=BOX.replace("note(kind, box):", "note(kind, box):\n        pass"), test_it=TEST)
    assert kept(seen()[0][1]) == [seen()[0][0]]


def test_workers_have_the_same(run: Run, seen: Callable[[], list[list[str]]]) -> None:
    pytest.importorskip("xdist")
    run("-n", "2", conftest=BOX, test_it=TEST, test_other=TEST).assert_outcomes(passed=2)
    assert len({box for box, *_ in seen()}) == 1


@pytest.mark.embedded("an engine is kept")
def test_an_engine_that_was_killed_is_replaced(run: Run, seen: Callable[[], list[list[str]]]) -> None:
    run(conftest=BOX, test_it=TEST).assert_outcomes(passed=1)
    directory = Path(seen()[0][1].removeprefix("unix://")).parent
    pid = int((directory / "engine.pid").read_text())
    end = os.pidfd_open(pid)
    os.kill(pid, 9)
    import select

    select.select([end], [], [])
    os.close(end)
    run(conftest=BOX, test_it=TEST).assert_outcomes(passed=1)
    first, second = seen()
    assert first[1] != second[1]


@pytest.mark.usefixtures("seen")
def test_what_the_run_takes_away_is_refused(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container, network
            backend = network(scope="session")
            box = container("host", "sleep 1000", reuse=True, network=backend)
            def test_it(box): pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["container box is to be kept (reuse=True), and network backend-* goes with the run: leave it out, or name*"]
    )
