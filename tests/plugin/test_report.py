from collections.abc import Callable

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
