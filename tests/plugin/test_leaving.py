"""A test's containers are removed while the next test runs, where nobody can miss them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import ELSEWHERE, HANG_LIMIT, left_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., pytest.RunResult]

SPY = f"""
    import threading, time
    from pytest_containers import ContainerError, container, network, volume
    from pytest_containers.handle.life import Life
    go, removed, behind = threading.Event(), [], set()
    plain, wanted = Life.remove, []
    def remove(box):
        name = box.owner.rpartition("::")[2]
        if threading.current_thread() is not threading.main_thread():
            behind.add(name)
            for act in wanted:
                act()
        plain(box)
        removed.append(name)
    Life.remove = remove
    def held():
        assert go.wait({HANG_LIMIT})
"""
"""What is removed, by which thread; ``wanted``: what is done before, where that is not the main one."""
SLEEP = 'container("host", ["sleep", "1000"]'


def test_it_goes_while_the_next_test_runs_and_is_gone_after_that(run: Run) -> None:
    run(
        conftest=SPY,
        test_it=f"""
            from conftest import *
            wanted.append(held)
            box = {SLEEP})
            def test_one(box): pass
            def test_two(box):
                assert not removed
                go.set()
            def test_three():
                assert removed[0] == "test_one"
            def test_last(box):
                assert removed == ["test_one", "test_two"]
                assert behind == {{"test_one", "test_two"}}
        """,
    ).assert_outcomes(passed=4)


def test_durations_show_the_wait_where_it_is(run: Run) -> None:
    result = run(
        "--durations=0",
        "-vv",
        conftest=SPY,
        test_it=f"""
            from conftest import *
            wanted += [held, lambda: time.sleep(1.5)]
            box = {SLEEP})
            def test_one(box): pass
            def test_two(): go.set()
            def test_three(): assert removed == ["test_one"]
        """,
    )
    result.assert_outcomes(passed=3)
    found = dict(re.findall(r"^(\S+)s teardown +test_it.py::(\w+)", result.stdout.str(), re.MULTILINE)[::-1])
    spent = {name: float(seconds) for seconds, name in found.items()}
    assert spent["test_two"] >= 1.4
    assert spent["test_one"] < HANG_LIMIT / 2  # it would have been held for all of it


@pytest.mark.parametrize(
    "definition",
    [
        f"{SLEEP}, name='leaving-name')",
        f"{SLEEP}, network=private)",
        f"{SLEEP}, volumes={{'/data': shared}})",
        f"{SLEEP}, binds={{os.path.dirname(__file__): '/mnt'}})",
        f"{SLEEP}, docker={{'Hostname': 'x'}})",
        f"{SLEEP}, before_stop=lambda box: None)",
        f"{SLEEP}, stop_timeout=0)",
        f"{SLEEP}, scope='module')",
        "container.define(lambda: ContainerSpec('host', 'sleep 1000'))",
    ],
)
def test_what_somebody_may_miss_is_waited_for(run: Run, definition: str) -> None:
    _all_in_turn(run, definition)


@pytest.mark.parametrize(
    "option",
    ["--containers-lookahead=off", "--containers-keep=failed", "--containers-report=page.html",
     "--containers-logs=logs", "--containers-max=9", "--containers-follow"],
)  # fmt: skip
def test_nor_where_an_option_looks_at_what_goes(run: Run, option: str) -> None:
    _all_in_turn(run, f"{SLEEP})", option)


def _all_in_turn(run: Run, definition: str, *options: str) -> None:
    run(
        *options,
        conftest=SPY,
        test_it=f"""
            import os
            from conftest import *
            from pytest_containers import ContainerSpec
            private, shared = network(scope="module"), volume(scope="module")
            box = {definition}
            def test_one(box): pass
            def test_two(): pass
            def test_three(): assert not behind
        """,
    ).assert_outcomes(passed=3)


def test_nor_where_something_of_a_wider_scope_ends(run: Run) -> None:
    run(
        conftest=SPY,
        test_it=f"""
            from conftest import *
            box = {SLEEP})
            class TestFirst:
                def test_one(self, box): pass
                def test_two(self, box): pass
            class TestSecond:
                def test_three(self):
                    assert removed == ["test_one", "test_two"]
                    assert behind == {{"test_one"}}
        """,
    ).assert_outcomes(passed=3)


def test_a_container_of_a_wider_scope_goes_after_what_is_on_its_way(run: Run) -> None:
    run(
        conftest=SPY,
        test_it=f"""
            import pytest
            from conftest import *
            wanted += [held, lambda: time.sleep(0.3)]
            box = {SLEEP})
            wide = {SLEEP}, scope="module", params=["host", {{"env": {{"A": "b"}}}}])
            def test_it(wide, box): pass
            @pytest.fixture(autouse=True)
            def free():
                yield
                threading.Timer(0.1, go.set).start()
            def test_order(): assert removed[:2] == ["test_it[host]", "test_it.py"]
        """,
    ).assert_outcomes(passed=3)


BURNS = """
            from conftest import *
            def burn(): raise ContainerError("the disk burns")
            wanted.append(burn)
"""


def test_what_goes_wrong_is_told_with_the_name_of_the_test(run: Run) -> None:
    result = run(
        conftest=SPY,
        test_it=BURNS + f"            box = {SLEEP})\n"
        """
            def test_one(box): pass
            def test_two(): pass
            def test_three(): pass
        """,
    )
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_two*",
         "container box of test_it.py::test_one, removed behind the next test: the disk burns"]
    )  # fmt: skip


def test_what_goes_wrong_after_the_last_test_that_was_run_is_a_warning(run: Run) -> None:
    result = run(
        "-x",
        conftest=SPY,
        test_it=BURNS + f"            box = {SLEEP})\n"
        """
            def test_one(box): assert 0
            def test_two(): pass
        """,
    )
    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines("*container box of test_it.py::test_one, removed behind the next test: the disk burns")


@pytest.mark.parametrize("end", ["os._exit(1)", "os.kill(os.getpid(), signal.SIGINT)", "os.kill(os.getpid(), 9)"])
@pytest.mark.parametrize("options", [[], ["-n1"]], ids=["alone", "xdist"])
def test_an_end_in_between_leaves_nothing(run: Run, tmp_path: Path, end: str, options: list[str]) -> None:
    place = tmp_path / "place"
    run(
        *options,
        conftest=SPY,
        test_it=f"""
            import os, pathlib, signal
            from conftest import *
            from pytest_containers.session import place_of
            wanted.append(held)
            box = {SLEEP})
            def test_one(box, request):
                pathlib.Path({str(place)!r}).write_text(str(place_of(request.config).directory))
            def test_two():
                {end}
            def test_three(): pass
        """,
    )
    _await_absence(place.read_text())


def _await_absence(directory: str) -> None:
    import os
    import select
    from pathlib import Path

    if ELSEWHERE:
        assert left_elsewhere(Path(directory).name) == []
        return
    try:
        pidfd = os.pidfd_open(int((Path(directory) / "engine.pid").read_text()))
    except (OSError, ValueError):
        return
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(HANG_LIMIT * 1000)
    os.close(pidfd)
    assert not Path(directory).exists()
