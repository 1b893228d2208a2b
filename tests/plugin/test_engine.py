"""The embedded engine: when it starts, who shares it, and that it ends with pytest however that ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import HANG_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., pytest.RunResult]

ENGINE = "pytest_containers.session.engine_of(request.config)"
TELL = """
    import os, sys
    import pytest
    import pytest_containers.session
    from pathlib import Path
    @pytest.fixture
    def directory(request, containers):
        containers.run("host", "true")
        return Path(pytest_containers.session.place_of(request.config).directory)
"""


def await_end(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(HANG_LIMIT * 1000))


@pytest.mark.embedded("the start of the run's own engine")
def test_run_without_container_tests_starts_and_imports_nothing(run: Run) -> None:
    result = run(
        test_it="""
            import sys
            def test_it():
                ours = {name for name in sys.modules if name.startswith(("pytest_containers", "container_runtime"))}
                assert ours == {"pytest_containers", "pytest_containers.plugin", "pytest_containers.given"}
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "options",
    [["--collect-only"], ["--setup-plan"], ["-k", "pure"], ["--fixtures"], ["--fixtures-per-test"], ["--markers"]],
    ids=" ".join,
)
def test_nothing_is_started_where_no_test_will_need_it(run: Run, options: list[str]) -> None:
    result = run(
        *options,
        conftest="""
            import sys
            def pytest_unconfigure(config):
                place = sys.modules.get("pytest_containers.session")
                assert place is None or place.existing_engine(config) is None
                print("NOTHING STARTED")
        """,
        test_it="""
            import pytest
            from pytest_containers import container, image, network, volume
            net, vol, base = network(), volume(), image("127.0.0.1:1/no/such:1")
            box = container(base, network=net, volumes={"/x": vol}, shared=False, snapshot=True)
            @pytest.mark.container_images("127.0.0.1:1/no/such:1")
            @pytest.mark.container_limits(memory="64m")
            def test_it(containers, box): ...
            @pytest.mark.in_container(image="127.0.0.1:1/no/such:1")
            def test_inside(): ...
            def test_pure(): ...
        """,
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines("*NOTHING STARTED*")


@pytest.mark.embedded("the start of the run's own engine")
def test_started_while_tests_are_collected_and_gone_afterwards(run: Run) -> None:
    result = run(
        "-s",
        conftest=TELL
        + """
    def pytest_collection_finish(session):
        print("AT COLLECTION", pytest_containers.session.place_of(session.config).directory.exists())
""",
        test_it="""
            def test_it(directory):
                print("DIRECTORY", directory)
                assert (directory.stat().st_mode & 0o777, directory.joinpath("docker.sock").stat().st_mode & 0o777) == (
                    0o700, 0o600)
        """,
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("AT COLLECTION True")
    (line,) = [line for line in result.outlines if "DIRECTORY" in line]
    assert not Path(line.split()[-1].rstrip(".")).exists()


PLACE = "runtime_home().glob(f'run-{os.getpid()}-*')"


@pytest.mark.embedded("the start of the run's own engine")
@pytest.mark.parametrize(
    ("conftest", "options", "early"),
    [("", [], True), ("from pytest_containers import container", [], False), ("", ["-k", "test"], False)],
    ids=["module", "conftest", "selection"],
)
def test_started_when_a_module_is_about_to_define_containers(
    run: Run, conftest: str, options: list[str], early: bool
) -> None:
    """A conftest.py is for tests of which none may be in this run, and a selection may leave out all."""
    result = run(
        *options,
        conftest=conftest,
        test_it=f"""
            import os
            from pytest_containers.embedded import runtime_home
            before = [*{PLACE}]
            from pytest_containers import container
            after = [*{PLACE}]
            box = container("host", "true")
            def test_it(box):
                assert not before
                assert bool(after) is {early}
        """,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.embedded("the start of the run's own engine")
def test_a_bad_setting_of_the_ini_file_is_not_told_as_an_error_of_the_module(run: Run) -> None:
    result = run(
        "-o",
        "containers_engine=nonsense",
        test_it="""
            from pytest_containers import container
            box = container("host", "true")
            def test_it(box): ...
        """,
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "test_it" not in result.stdout.str()


@pytest.mark.embedded("the start of the run's own engine")
def test_workers_of_xdist_share_one_engine(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    result = run(
        "-n",
        "2",
        conftest=TELL,
        test_it="""
            import os, time
            import pytest
            @pytest.mark.parametrize("number", range(4))
            def test_it(directory, number, containers):
                pid = (directory / "engine.pid").read_text().strip()
                assert containers.run("host", ["sleep", "0.3"]).wait() == 0
                Path = type(directory)
                Path(f"seen-{number}").write_text(f"{pid} {directory} {os.getpid()}")
        """,
    )
    result.assert_outcomes(passed=4)
    seen = [path.read_text().split() for path in pytester.path.glob("seen-*")]
    assert len({(pid, directory) for pid, directory, _ in seen}) == 1
    assert len({worker for *_, worker in seen}) == 2
    assert not Path(seen[0][1]).exists()


def test_lost_worker_does_not_end_the_engine(run: Run) -> None:
    result = run(
        "-n",
        "1",
        conftest=TELL,
        test_it="""
            import os
            def test_1(directory): os._exit(1)
            def test_2(directory, containers): assert containers.run("host", "true").wait() == 0
        """,
    )
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("end", ["kill -9", "os._exit", "SIGTERM"])
def test_nothing_outlives_pytest(pytester: pytest.Pytester, end: str) -> None:
    pytester.makeconftest(TELL)
    pytester.makepyfile(
        test_it=f"""
            import os, sys, time
            import pytest_containers
            box = pytest_containers.container("host", "sleep 1000", scope="session")
            def test_it(box, directory, containers):
                containers.run("host", "sleep 1000")
                pid = (directory / "engine.pid").read_text().strip()
                print("NOW", pid, box.inspect()["State"]["Pid"], directory, file=sys.__stdout__, flush=True)
                if {end!r} == "os._exit": os._exit(3)
                time.sleep(1000)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        line = next(line for line in process.stdout if "NOW" in line)
        engine, container, directory = line.split("NOW ")[1].split()
        pidfds = [os.pidfd_open(int(pid)) for pid in (engine, container) if Path(f"/proc/{pid}").exists()]
        if end != "os._exit":
            process.send_signal(signal.SIGKILL if end == "kill -9" else signal.SIGTERM)
        process.wait(HANG_LIMIT)
    assert len(pidfds) == 2 or end == "os._exit"
    for pidfd in pidfds:
        assert await_end(pidfd)
        os.close(pidfd)
    leftover = Path(directory)
    assert not leftover.exists() or (leftover / "lock").exists()  # what is left is for the next sweep


@pytest.mark.embedded("the start of the run's own engine")
def test_engine_that_does_not_start_is_told_once_with_its_last_words(run: Run, tmp_path: Path) -> None:
    package = tmp_path / "container_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("raise SystemExit('the moon is in the wrong phase')")
    result = run(
        conftest=f"""
            import os
            os.environ["PYTHONPATH"] = {str(tmp_path)!r}
        """,
        test_it="""
            from pytest_containers import container
            box = container("host", "true")
            def test_it(box): ...
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["the embedded engine did not start; its last words:", "the moon is in the wrong phase"], consecutive=True
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--containers-timeout=soon", "containers_timeout must be a number above 0, not 'soon'"),
        ("--containers-log-lines=-1", "containers_log_lines must be a whole number from 0 up, not '-1'"),
        ("--containers-missing=perhaps", "containers_missing must be fail or skip, not 'perhaps'"),
        (
            "--containers-engine=moon",
            "containers_engine must be auto, embedded, docker, podman, unix:///path/to/socket, *, not 'moon'",
        ),
        ("--containers-engine=tcp://x:port", "containers_engine is a bad engine address 'tcp://x:port': *"),
        ("--containers-engine=ssh://a:b@c", "containers_engine is a bad engine address *: ssh:// takes no password*"),
    ],
)
def test_bad_settings_are_refused(run: Run, option: str, words: str) -> None:
    result = run(option, test_it="def test_it(): ...")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(f"ERROR: {words}")
    assert len(result.stderr.str().strip().splitlines()) == 1


def test_settings_of_the_ini_file(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ncontainers_timeout = 0.2\ncontainers_log_lines = 1\n")
    result = run(
        test_it="""
            from pytest_containers import container, wait
            box = container("host", ["sh", "-c", "echo a; echo b; sleep 1000"], wait=wait.port(9))
            def test_it(box): ...
        """
    )
    result.stdout.fnmatch_lines(["container box (host) is not ready after 0.2 s: *", "--- stdout ---", "b"])
    result.stdout.no_fnmatch_line("a")


def test_options_have_a_heading_of_their_own(run: Run) -> None:
    result = run("--help")
    result.stdout.fnmatch_lines(
        [
            "containers:",
            "  --containers-engine=ENGINE",
            "  --containers-timeout=SECONDS",
            "  --containers-log-lines=LINES",
        ]
    )


def test_unreachable_engine_is_named(run: Run) -> None:
    result = run("--containers-engine=tcp://127.0.0.1:1", test_it="def test_it(containers): containers.run('host')")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("E *NoEngine: the container engine cannot be used: no engine answers at tcp://*")


def test_clients_in_tests_meet_the_same_engine(run: Run) -> None:
    run(
        test_it="""
        import os
        import subprocess
        import sys

        LIST = [sys.executable, "-m", "pytest_containers.cli.main", "ps", "-q", "--no-trunc"]

        def test_found(containers, docker_host, container_engine):
            assert os.environ["DOCKER_HOST"] == docker_host == container_engine
            one = containers.run("host", "sleep 60")
            assert subprocess.run(LIST, capture_output=True, text=True, check=True).stdout.split() == [one.id]

        def test_only_during_the_test():
            assert "DOCKER_HOST" not in os.environ
        """
    ).assert_outcomes(passed=2)


def test_the_address_of_no_engine_is_a_failure(run: Run) -> None:
    result = run(
        "--containers-engine=unix:///nosuch/docker.sock",
        test_it="def test_it(container_engine): ...",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the container engine cannot be used: */nosuch/docker.sock*"])
    result.stdout.no_fnmatch_line("*given.py*")
