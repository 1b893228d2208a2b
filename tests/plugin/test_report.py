from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

Run = Callable[..., pytest.RunResult]


@pytest.mark.needs("limits")
def test_failing_test_shows_its_containers_and_how_they_ended(run: Run) -> None:
    result = run(
        "--containers-log-lines=2",
        test_it="""
            import pytest
            from pytest_containers import Limits, container
            talker = container(
                "host", ["sh", "-c", "echo one; echo two; echo three; echo oops >&2; exec sleep 1000"], scope="module"
            )
            quiet = container("host", "sleep 1000", scope="module")
            def test_before(quiet, talker):
                while "oops" not in talker.logs(): pass
            def test_it(talker, containers):
                assert containers.run("host", ["sh", "-c", "echo ended; exit 4"]).wait() == 4
                hungry = containers.run(
                    "host", ["python3", "-c", "x = bytearray(200 << 20)"], limits=Limits(memory="32m", swap=0)
                )
                assert hungry.wait() == 137
                containers.run("host", "sleep 1000").remove()
                assert False
            def test_dynamic(request):
                request.getfixturevalue("quiet")
                assert False
        """,
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_it _*",
            "-* container talker (host): running -*",
            "-- last lines of stdout --",
            "two",
            "three",
            "-- last lines of stderr --",
            "oops",
            "-* container host *: exited with code 4 -*",
            "ended",
            "-* container host *: was killed: out of memory (limit 32m), exit code 137 -*",
            "*_ test_dynamic _*",
            "-* container quiet (host): running -*",
            "(it wrote nothing)",
        ],
        consecutive=False,
    )
    assert result.stdout.str().count("container quiet") == 1
    result.stdout.no_fnmatch_line("one")


def test_passing_tests_show_nothing(run: Run) -> None:
    result = run("-rA", test_it="def test_it(containers): containers.run('host', 'echo hello').wait()")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*container host*")


def test_definition_timeline_and_first_error(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container, wait
            db = container(
                "host",
                ["sh", "-c", "echo up; echo 'FATAL: no disk' >&2; echo later; exec sleep 1000"],
                wait=wait.log("later"), env={"PASSWORD": "hunter2"}, workdir="/tmp",
            )
            def test_it(db): assert False
            def test_ended(containers):
                containers.run("host", ["sh", "-c", "exit 3"]).wait()
                assert False
        """,
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "-* container db (host): running -*",
            "definition: *: sh -c '*'; env: PASSWORD; wait: *; workdir: /tmp",
            "timeline: created, *first error +* s (FATAL: no disk)*",
            "-* container host *: exited with code 3 -*",
            "timeline: created, started +* s, *ended +* s*",
            "(it wrote nothing)",
        ]
    )
    result.stdout.no_fnmatch_line("*hunter2*")


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_properties_of_failing_tests_in_junit_xml(
    run: Run, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = run(
        "--junit-xml=report.xml",
        *workers,
        test_it="""
            import pytest
            from pytest_containers import container
            db = container("host", ["sh", "-c", "exit 3"], scope="module")
            def test_bad(db):
                db.wait()
                assert False
            def test_good(db): pass
            @pytest.fixture
            def broken(db):
                db.wait()  # another worker has one of its own
                yield
                assert 0
            def test_teardown(db, broken): pass
            def test_last(db): pass
        """,
    )
    assert result.ret == 1
    cases = ET.parse(pytester.path / "report.xml").getroot().iter("testcase")
    found = {
        case.get("name"): {one.attrib["name"].rpartition(".")[2]: one.attrib["value"] for one in case.iter("property")}
        for case in cases
    }
    assert found["test_good"] == {}
    for name in ("test_bad", "test_teardown"):
        assert found[name].keys() >= {"name", "image", "state", "exit_code", "started", "ended"}
        assert (found[name]["image"], found[name]["exit_code"], found[name]["state"]) == ("host", "3", "exited")
