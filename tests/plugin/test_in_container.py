"""Tests that run in a container: what comes back from there is as if they had run here."""

from __future__ import annotations

import functools
import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import ENGINE_OPTION

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

OUTCOMES = """
    import ctypes, logging, os, sys, time, unittest, warnings, pytest
    pytestmark = pytest.mark.in_container

    @pytest.fixture(scope="module")
    def shared():
        return []

    @pytest.mark.parametrize("n", [1, 2])
    def test_values(n, shared, tmp_path, caplog, capsys, record_property):
        print("captured by the test")
        assert capsys.readouterr().out == "captured by the test\\n"
        logging.warning("log %s", n)
        assert caplog.messages == [f"log {n}"]
        print("output", n)
        print("error", n, file=sys.stderr)
        warnings.warn("careful")
        shared.append(n)
        record_property("number", n)
        assert os.getppid() != 1 and os.getpid() < 1000
        assert {"n": shared, "other": 1} == {"n": [1], "other": 1}

    def test_skip():
        pytest.skip("because")

    @pytest.mark.xfail(reason="known")
    def test_xfail():
        assert 0

    @pytest.mark.xfail(strict=True)
    def test_xpass():
        pass

    @pytest.fixture
    def broken():
        yield
        raise ValueError("teardown")

    def test_teardown(broken):
        pass

    class TestUnit(unittest.TestCase):
        def setUp(self): self.one = 1
        def test_unit(self): self.assertEqual(self.one, 2)
"""


def test_reports_come_back_as_if_local(run: Run, pytester: pytest.Pytester) -> None:
    result = run("-ra", "--junitxml=out.xml", test_it=OUTCOMES)
    result.assert_outcomes(passed=2, failed=3, skipped=1, xfailed=1, errors=1, warnings=2)
    text = result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "E       AssertionError: assert {'n': [[]2[]], 'other': 1} == {'n': [[]1[]], 'other': 1}",
            "*Differing items:",
            "test_it.py:*: AssertionError",
            "*Captured stdout call*",
            "output 2",
            "*Captured stderr call*",
            "error 2",
            "*Captured log call*",
            "WARNING * log 2",
            "*in container*",
            "image host",
            "*UserWarning: careful",
            "SKIPPED [[]1[]] test_it.py:*: because",
            "XFAIL test_it.py::test_xfail - known",
        ]
    )
    assert "ValueError: teardown" in text
    assert "AssertionError: 1 != 2" in text
    assert '<property name="number" value="2"' in (pytester.path / "out.xml").read_text()


DEATHS = """
    import ctypes, os, signal, subprocess, sys, time, pytest
    pytestmark = pytest.mark.in_container

    def test_segfault():
        print("before")
        ctypes.string_at(0)

    @pytest.mark.in_container(timeout=0.5)
    def test_hangs():
        time.sleep(1000)

    def test_goes():
        os._exit(0)

    def test_signal():
        os.kill(os.getpid(), signal.SIGTERM)

    @pytest.mark.xfail(reason="it goes")
    def test_expected():
        os._exit(3)

    @pytest.fixture
    def deadly():
        os._exit(4)

    def test_fixture(deadly): ...

    def test_leaves_a_process():
        subprocess.Popen(["sleep", "1000"])

    def test_is_alone():
        names = [open(f"/proc/{pid}/comm").read().strip() for pid in os.listdir("/proc") if pid.isdigit()]
        assert "sleep" not in names and len(names) == 3, names
"""


def test_death_is_the_tests_failure_with_the_reason(run: Run) -> None:
    result = run("-ra", test_it=DEATHS)
    result.assert_outcomes(passed=2, failed=4, xfailed=1, errors=1)
    where = "in a container (image host)"
    result.stdout.fnmatch_lines(
        [
            f"test_fixture {where}: it has ended its process with exit code 4",
            f"test_segfault {where}: it was ended by SIGSEGV (segmentation fault)",
            "*Captured stdout call*",
            "before",
            "*written without being captured*",
            "Fatal Python error: Segmentation fault",
            f"test_hangs {where}: timed out: it took more than 0.5 s",
            f"test_goes {where}: it has ended its process with exit code 0",
            f"test_signal {where}: it was ended by SIGTERM",
        ]
    )
    assert "During handling" not in result.stdout.str()


@pytest.mark.needs("limits")
def test_want_of_memory_is_named(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            @pytest.mark.in_container(memory="64m")
            class TestIt:
                def test_hungry(self): x = bytearray(300 << 20)
                def test_modest(self): pass
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines("test_hungry in a container (image host, memory 64m): it was killed: out of memory")


def test_network_environment_mounts_and_the_nearest_mark(run: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("data").joinpath("file").write_text("content")
    result = run(
        conftest="import pytest\n@pytest.fixture\ndef sockets():\n    import socket\n    return socket",
        test_it="""
            import os, sys, pytest
            @pytest.mark.in_container(network=False, env={"WHO": "class"}, mounts={"data": "/srv/data:ro"})
            class TestIt:
                def test_no_network(self, sockets):
                    assert [name for _, name in sockets.if_nameindex()] == ["lo"]
                    assert os.environ["WHO"] == "class" and "ONLY_OUTSIDE" not in os.environ
                    assert open("/srv/data/file").read() == "content"
                @pytest.mark.in_container(env={"WHO": "function"})
                def test_nearest(self, sockets):
                    assert len(sockets.if_nameindex()) > 1
                    assert os.environ["WHO"] == "function" and not os.path.exists("/srv/data")
            there = pytest.mark.in_container(env={"A": "b"})
            @pytest.mark.parametrize("who", ["here", pytest.param("there", marks=there)])
            def test_parameter(who):
                assert ("A" in os.environ) == (who == "there")
        """,
    )
    result.assert_outcomes(passed=4)


def test_fixtures_of_tests_outside_end_where_they_should(run: Run) -> None:
    result = run(
        "-s",
        test_a="""
            import pytest
            @pytest.fixture(scope="module")
            def wide():
                print("+up")
                yield
                print("+down")
            def test_here(wide): print("+here")
            @pytest.mark.in_container
            def test_there(): print("+there", flush=True)
        """,
        test_b="def test_b(): print('+b')",
    )
    result.assert_outcomes(passed=3)
    assert re.findall(r"\+(\w+)", result.stdout.str()) == ["up", "here", "there", "down", "b"]


def test_selection_maxfail_and_last_failed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
            import pytest
            pytestmark = pytest.mark.in_container(network=False)
            def test_one(): assert 0
            def test_two(): assert 1
            def test_three(): assert 0
        """
    )
    run = functools.partial(pytester.runpytest_subprocess, *ENGINE_OPTION)
    run("-x").assert_outcomes(failed=1)
    run("-k", "two or three").assert_outcomes(passed=1, failed=1, deselected=1)
    run("--lf").assert_outcomes(failed=2, deselected=0)
    for option in ("--collect-only", "--setup-plan"):
        result = run(option)
        result.stdout.fnmatch_lines("*test_one*")
        assert "container" not in result.stdout.str().replace("containers-", "").replace("test_selection", "")


def test_output_is_live_without_capture(run: Run) -> None:
    result = run(
        "-s",
        test_it="""
            import sys, pytest
            @pytest.mark.in_container
            def test_it():
                print("to output")
                print("to error", file=sys.stderr)
        """,
    )
    result.assert_outcomes(passed=1)
    assert "to output" in result.stdout.str()
    assert "to error" in result.stderr.str()


def test_a_file_that_cannot_be_collected_there(run: Run) -> None:
    result = run(
        "-ra",
        conftest="import os\nINSIDE = os.getppid() == 1",
        test_broken="""
            import pytest
            from conftest import INSIDE
            if INSIDE:
                import no_such_library
            @pytest.mark.in_container
            def test_it(): ...
        """,
        test_skipped="""
            import pytest
            from conftest import INSIDE
            if INSIDE:
                pytest.skip("not there", allow_module_level=True)
            @pytest.mark.in_container
            def test_it(): ...
        """,
        test_absent="""
            import pytest
            from conftest import INSIDE
            @pytest.mark.in_container
            @pytest.mark.parametrize("n", [5] if INSIDE else [6])
            def test_it(n): ...
        """,
    )
    result.assert_outcomes(errors=2, skipped=1)
    text = result.stdout.str()
    assert "ModuleNotFoundError: No module named 'no_such_library'" in text
    assert re.search(r"test_it\[6\] in a container .*: pytest does not find this test there.*test_it\[5\]", text)
    assert re.search(r"SKIPPED \[1\] test_skipped.py:\d+: not there", text)


def test_containers_are_not_started_from_there(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            @pytest.mark.in_container
            def test_it(containers): containers.run("host", "true")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("*a test that runs in a container itself (in_container) cannot start containers*")


def test_an_interpreter_that_is_gone_between_tests_is_replaced(run: Run) -> None:
    result = run(
        conftest="""
            from pytest_containers.isolation.run import POOL
            from pytest_containers.plugin import INSIDE
            CONFIG = []
            def pytest_configure(config): CONFIG.append(config)
            def pytest_runtest_logfinish(nodeid):
                if INSIDE not in CONFIG[0].stash:
                    for warm in CONFIG[0].stash[POOL].values():
                        warm.container.kill()
        """,
        test_it="""
            import pytest
            @pytest.mark.in_container(network=False)
            @pytest.mark.parametrize("n", [1, 2, 3])
            def test_it(n): ...
        """,
    )
    result.assert_outcomes(passed=3)


def test_time_limit_of_a_test_that_never_stops_writing(run: Run) -> None:
    result = run(
        "-s",
        test_it="""
            import pytest
            @pytest.mark.in_container(network=False, timeout=1)
            def test_it():
                while True: print("x" * 1000)
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("test_it in a container *: timed out: it took more than 1 s")


def test_pytest_exit_ends_the_run(run: Run) -> None:
    result = run(
        test_it="""
            import pytest
            @pytest.mark.in_container
            def test_it(): pytest.exit("enough", returncode=7)
            def test_other(): ...
        """
    )
    assert result.ret == 7
    result.stdout.fnmatch_lines("*Exit: enough*")


def test_workers_of_xdist_have_their_own(run: Run) -> None:
    result = run(
        "-n2",
        test_it="""
            import pytest
            @pytest.mark.in_container(network=False)
            @pytest.mark.parametrize("n", range(10))
            def test_it(n): assert n != 7
        """,
    )
    result.assert_outcomes(passed=9, failed=1)


@pytest.mark.parametrize("way", ["plugin", "command"])
def test_coverage_counts_what_ran_there(pytester: pytest.Pytester, way: str) -> None:
    pytester.makepyfile(
        product="def f(x):\n    if x:\n        return 1\n    return 2\ndef g():\n    return 3",
        test_it="""
            import product, pytest
            @pytest.mark.in_container
            @pytest.mark.parametrize("n", [0, 1])
            def test_it(n): assert product.f(n)
        """,
    )
    if way == "plugin":
        result = pytester.runpytest_subprocess(
            *ENGINE_OPTION, "--cov=product", "--cov-branch", "--cov-report=term-missing"
        )
    else:
        pytester.run(sys.executable, "-m", "coverage", "run", "-m", "pytest", *ENGINE_OPTION).assert_outcomes(passed=2)
        result = pytester.run(sys.executable, "-m", "coverage", "report", "-m", "--include=product.py")
    result.stdout.re_match_lines([r"product\.py +6 +1 .* 6$"])
