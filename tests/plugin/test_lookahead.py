"""``--containers-lookahead``: the next test's containers are started while a test runs."""

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

LIST = """
    import json, os
    from pytest_containers import container, network, volume, Limits
    def names(box):
        "The fixtures whose containers run now."
        listed = box._engine.client.containers.list()
        return sorted(one["Labels"].get("org.pytest-containers.fixture", "") for one in listed)
    def until(box, wanted):
        import time
        while names(box) != wanted:
            time.sleep(0.01)
"""
SLEEP = 'container("host", ["sleep", "1000"]'


@pytest.mark.needs("limits")
@pytest.mark.parametrize("arguments", [(), ("-n1",), ("--containers-lookahead=on",)])
def test_the_next_container_runs_while_the_present_test_does(run: Run, arguments: tuple[str, ...]) -> None:
    run(
        *arguments, "-p", "no:randomly",
        conftest=LIST,
        test_it=f"""
            from conftest import *
            box = {SLEEP})
            other = {SLEEP}, limits=Limits(pids=50))
            seen = []
            def test_one(box):
                until(box, ["box", "other"])
                seen.append(box.id)
            def test_two(other):
                until(other, ["box", "other"])
                assert other.id not in seen
            def test_three(box):
                assert box.id not in seen
                until(box, ["box"])
        """,
    ).assert_outcomes(passed=3)  # fmt: skip


def test_off(run: Run) -> None:
    files = {
        "conftest": LIST,
        "test_it": f"""
            from conftest import *
            import time
            box = {SLEEP})
            def test_one(box):
                time.sleep(0.3)
                assert names(box) == ["box"]
            def test_two(box): pass
        """,
    }
    run("--containers-lookahead=off", **files).assert_outcomes(passed=2)
    run("-o", "containers_lookahead=off", **files).assert_outcomes(passed=2)
    result = run("--containers-lookahead=maybe", **files)
    assert "containers_lookahead must be on or off, not 'maybe'" in result.stderr.str()


@pytest.mark.parametrize(
    "definition",
    [
        f"{SLEEP}, name='lookahead-name')",
        f"{SLEEP}, network=private)",
        f"{SLEEP}, network='host')",
        f"{SLEEP}, volumes={{'/data': shared}})",
        f"{SLEEP}, binds={{os.path.dirname(__file__): '/mnt'}})",
        f"{SLEEP}, after_start=lambda box: None)",
        f"{SLEEP}, scope='module')",
        "container.define(lambda: None)",
    ],
)
def test_what_could_meet_the_present_test_is_not_started(run: Run, definition: str) -> None:
    run(
        "-p", "no:randomly",
        conftest=LIST,
        test_it=f"""
            from conftest import *
            import time
            box = {SLEEP})
            private = network(scope="session")
            shared = volume(scope="session")
            other = {definition}
            def test_one(box, private, shared):
                time.sleep(0.3)
                assert names(box) == ["box"]
            def test_two(other): pass
        """,
    ).stdout.fnmatch_lines(["*test_it.py .?*"])  # fmt: skip


def test_values_of_wider_fixtures_are_used_when_they_are_there(run: Run) -> None:
    run(
        "-p", "no:randomly",
        conftest=LIST,
        test_it="""
            from conftest import *
            from pytest_containers import image
            import pytest
            machine = image("host")
            box = container(machine, ["sleep", "1000"])
            cup = container("host", params=[["sleep", "1001"], ["sleep", "1002"]] and [
                {"command": ["sleep", "1001"]}, {"command": ["sleep", "1002"]}])
            def test_one(box):
                until(box, ["box", "box"])
            def test_two(box):
                until(box, ["box", "cup"])
            def test_three(cup):
                assert cup.inspect()["Config"]["Cmd"][1] in {"1001", "1002"}
        """,
    ).assert_outcomes(passed=4)  # fmt: skip


def test_what_is_not_needed_is_removed(run: Run) -> None:
    run(
        "-p", "no:randomly",
        conftest=LIST,
        test_it=f"""
            from conftest import *
            import pytest
            box = {SLEEP})
            other = {SLEEP})
            def test_one(box):
                until(box, ["box", "other"])
            @pytest.mark.skipif("True", reason="x")
            def test_two(other): pass
            @pytest.mark.skip
            def test_three(other): pass
            def test_four(box):
                until(box, ["box"])
        """,
    ).assert_outcomes(passed=2, skipped=2)  # fmt: skip


def test_a_run_that_ends_early_leaves_nothing(run: Run) -> None:
    result = run(
        "-x", "-p", "no:randomly",
        conftest=LIST,
        test_it=f"""
            from conftest import *
            box = {SLEEP})
            other = {SLEEP})
            def test_one(box):
                until(box, ["box", "other"])
                assert 0
            def test_two(other): pass
        """,
    )  # fmt: skip
    result.assert_outcomes(failed=1)
    assert "other" not in "".join(line for line in result.outlines if "container" in line.lower() and "host" in line)


def test_failures_are_those_of_the_test_that_needs_it(run: Run) -> None:
    result = run(
        "-p", "no:randomly", "-rA",
        conftest=LIST,
        test_it=f"""
            from conftest import *
            from pytest_containers import wait
            box = {SLEEP})
            absent = container("host", "no-such-program")
            crash = container("host", ["sh", "-c", "echo oh; exit 3"], wait=wait.log("ready"))
            flaky = container("host", ["sh", "-c", "echo oh; exit 3"], wait=wait.log("ready"), start_attempts=2)
            def test_one(box): pass
            def test_two(absent): pass
            def test_three(box): pass
            def test_four(crash): pass
            def test_five(flaky): pass
        """,
    )  # fmt: skip
    result.assert_outcomes(passed=2, errors=3)
    text = result.stdout.str()
    assert "ERROR test_it.py::test_two" in text
    assert "no-such-program" in text
    assert "crash (host) ended with exit code 3 before it was ready" in text
    assert "lookahead.py" not in text


@pytest.mark.needs("limits")
def test_a_marker_of_the_next_test_holds(run: Run) -> None:
    run(
        "-p", "no:randomly",
        conftest=LIST,
        test_it=f"""
            from conftest import *
            import pytest
            box = {SLEEP})
            def test_one(box): until(box, ["box", "box"])
            @pytest.mark.container_limits(pids=33)
            def test_two(box):
                assert box.inspect()["HostConfig"]["PidsLimit"] == 33
        """,
    ).assert_outcomes(passed=2)  # fmt: skip


def test_containers_of_a_test_that_do_not_depend_on_each_other_start_at_the_same_time(run: Run) -> None:
    """One that is ready only when the other runs, in either order; and what is not taken goes with the test."""
    run(
        "-p", "no:randomly",
        conftest=LIST,
        test_it=f"""
            from conftest import *
            import pytest
            from pytest_containers import wait
            def both(box): return names(box) == ["one", "two"]
            one = {SLEEP}, wait=wait.callable(both))
            two = {SLEEP}, wait=wait.callable(both))
            box = {SLEEP})
            @pytest.fixture
            def broken(one): raise ValueError("before the other is taken")
            def test_together(one, two): pass
            def test_without(): pass
            def test_broken(broken, two): pass
            def test_nothing_is_left(containers): assert names(containers.run("host", "sleep 1000")) == [""]
        """,
    ).assert_outcomes(passed=3, errors=1)  # fmt: skip
