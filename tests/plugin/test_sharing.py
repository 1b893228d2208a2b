"""Containers, networks and volumes that all workers of xdist have in common."""

from __future__ import annotations

import os
import re
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

pytest.importorskip("xdist")

BOX = """
    from pathlib import Path
    import pytest
    from pytest_containers import container

    HERE = Path(__file__).parent

    def note(kind, box):
        with (HERE / kind).open("a") as file:
            file.write(box.id + "\\n")

    box = container("host", "sleep 1000", shared=True,
                    after_ready=lambda box: note("started", box), before_stop=lambda box: note("stopped", box))

    @pytest.fixture(scope="session")
    def everyone():
        # Returns when the other worker is here, too.
        import os
        write = os.open(HERE / ("a" if os.environ["PYTEST_XDIST_WORKER"] == "gw0" else "b"), os.O_RDWR)
        read = os.open(HERE / ("b" if os.environ["PYTEST_XDIST_WORKER"] == "gw0" else "a"), os.O_RDWR)
        os.write(write, b".")
        os.read(read, 1)
        return [read, write]
"""
TEST = """
    import os
    import pytest
    @pytest.mark.parametrize("number", range(6))
    def test_it(everyone, box, number):
        assert box.exec("true").exit_code == 0 and box.status == "running"
        with open("seen", "a") as file:
            file.write(f"{box.id} {os.environ['PYTEST_XDIST_WORKER']}\\n")
"""


@pytest.fixture
def workers(pytester: pytest.Pytester) -> None:
    """The pipes of ``everyone``."""
    os.mkfifo(pytester.path / "a")
    os.mkfifo(pytester.path / "b")


def lines(pytester: pytest.Pytester, name: str) -> list[str]:
    path = pytester.path / name
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("dist", ["load", "loadscope", "loadfile", "worksteal"])
def test_all_workers_have_one_container(run: Run, pytester: pytest.Pytester, dist: str) -> None:
    result = run("-n", "2", "--dist", dist, conftest=BOX, test_it=TEST, test_other=TEST)
    result.assert_outcomes(passed=12)
    seen = [line.split() for line in lines(pytester, "seen")]
    assert {worker for _, worker in seen} == {"gw0", "gw1"}
    assert len({box for box, _ in seen}) == 1
    assert lines(pytester, "started") == lines(pytester, "stopped") == [seen[0][0]]


@pytest.mark.usefixtures("workers")
def test_session_scope_is_shared_where_the_setting_says_so(run: Run, pytester: pytest.Pytester) -> None:
    box = BOX.replace("shared=True", 'scope="session"')
    run("-n", "2", "--dist", "loadfile", conftest=box, test_it=TEST, test_other=TEST).assert_outcomes(passed=12)
    assert len(set(lines(pytester, "started"))) == 2
    (pytester.path / "started").unlink()
    pytester.makeini("[pytest]\ncontainers_shared = true\n")
    run("-n", "2", "--dist", "loadfile", conftest=box, test_it=TEST, test_other=TEST).assert_outcomes(passed=12)
    assert len(lines(pytester, "started")) == 1


def test_without_workers_it_is_a_session_container(run: Run, pytester: pytest.Pytester) -> None:
    result = run(conftest=BOX, test_it="def test_it(box): assert box.status == 'running'")
    result.assert_outcomes(passed=1)
    assert len(lines(pytester, "started")) == len(lines(pytester, "stopped")) == 1


@pytest.mark.usefixtures("workers")
def test_a_start_that_fails_is_tried_once_and_told_to_all(run: Run, pytester: pytest.Pytester) -> None:
    result = run(
        "-n",
        "2",
        conftest=BOX.replace('"sleep 1000"', '"false", wait=wait.log("never")')
        .replace("import container", "import container, wait")
        .replace("after_ready", "after_start"),
        test_it=TEST,
        test_other=TEST,
    )
    result.assert_outcomes(errors=12)
    told = {line for line in result.outlines if "before it was ready" in line and line.startswith("container box")}
    assert len(told) == len(lines(pytester, "started")) == 1


@pytest.mark.usefixtures("workers")
def test_differing_networks_are_an_error(run: Run) -> None:
    result = run(
        "-n",
        "2",
        "--dist",
        "loadfile",
        conftest="""
    from pytest_containers import NetworkSpec, network

    @network.define(shared=True)
    def everyone(worker_id):
        return NetworkSpec(internal=worker_id == "gw0")
        """,
        test_it="def test_it(everyone): pass",
        test_other="def test_it(everyone): pass",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.re_match_lines([r".*shared network everyone is defined differently in two places.* in internal: .*"])


@pytest.mark.usefixtures("workers")
def test_differing_definitions_are_an_error_that_names_both(run: Run) -> None:
    result = run(
        "-n",
        "2",
        "--dist",
        "loadfile",
        conftest=BOX
        + """
    @container.define(shared=True)
    def mine(worker_id):
        from pytest_containers import ContainerSpec
        return ContainerSpec("host", "sleep 1000", env={"WORKER": worker_id})
        """,
        test_it="def test_it(everyone, mine): pass",
        test_other="def test_it(everyone, mine): pass",
    )
    result.assert_outcomes(passed=1, errors=1)
    message = (
        r"shared container mine is defined differently in two places, which differ in Env: worker gw\d "
        r"\(\S+conftest.py:\d+\) and worker gw\d \(\S+conftest.py:\d+\); .*"
    )
    result.stdout.re_match_lines([message])


@pytest.mark.usefixtures("workers")
def test_networks_and_volumes_are_shared_with_their_files(run: Run, pytester: pytest.Pytester) -> None:
    test = """
            def test_it(everyone, db, backend, data, containers):
                assert db.exec("cat /data/a").stdout in ("given", "changed")
                # Renamed: the other worker's cat could read on in a file of another length.
                db.exec(["sh", "-c", "printf changed > /data/$$ && mv /data/$$ /data/a"], check=True)
                own = containers.run("host", "sleep 100", network=backend, volumes={"/data": data})
                assert own.exec("cat /data/a").stdout == "changed"
                assert own.exec("getent hosts db").exit_code == 0
                with open("seen", "a") as file:
                    file.write(f"{db.id} {backend.id} {data.name}\\n")
        """
    result = run(
        "-n",
        "2",
        "--dist",
        "loadfile",
        conftest=BOX
        + """
    from pytest_containers import network, volume
    backend = network(shared=True)
    data = volume(files={"a": "given"}, shared=True)
    db = container("host", "sleep 1000", shared=True, network=backend, volumes={"/data": data})
        """,
        test_it=test,
        test_other=test,
    )
    result.assert_outcomes(passed=2)
    assert len(set(lines(pytester, "seen"))) == 1


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("kind", ["network", "volume"])
def test_what_a_shared_container_uses_must_be_shared(run: Run, kind: str) -> None:
    use = "network=part" if kind == "network" else 'volumes={"/data": part}'
    result = run(
        "-n",
        "1",
        conftest=f"""
            from pytest_containers import container, {kind}
            part = {kind}(scope="session")
            box = container("host", "sleep 1000", shared=True, {use})
        """,
        test_it="def test_it(box): pass",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"shared container box uses {kind} part-*, which each worker has for itself: define it by {kind}(shared=True)"]
    )


def test_only_the_session_can_be_shared(run: Run) -> None:
    result = run(
        test_it="""
            from pytest_containers import container
            box = container("host", "true", shared=True, scope="module")
        """
    )
    result.stdout.fnmatch_lines(["*test_it.py:2*", "*ValueError: shared=True needs scope='session', not 'module'"])


def test_wrong_setting_is_an_error(run: Run) -> None:
    result = run("--containers-shared=maybe", test_it="def test_it(): pass")
    result.stderr.fnmatch_lines(["ERROR: containers_shared must be true or false, not 'maybe'"])


def test_parameters_are_containers_of_their_own(run: Run, pytester: pytest.Pytester) -> None:
    result = run(
        "-n",
        "2",
        conftest=BOX.replace("shared=True", 'shared=True, params=[{"env": {"A": "1"}}, {"env": {"A": "2"}}]'),
        test_it="""
            import pytest
            @pytest.mark.parametrize("number", range(4))
            def test_it(box, number): assert box.exec("printenv A").stdout.strip() in "12"
        """,
    )
    result.assert_outcomes(passed=8)
    assert len(set(lines(pytester, "started"))) == len(lines(pytester, "started")) == 2


def test_a_lost_worker_leaves_it_to_the_others_and_to_its_replacement(run: Run, pytester: pytest.Pytester) -> None:
    result = run(
        "-n",
        "2",
        conftest=BOX,
        test_it="""
            import os, signal
            import pytest
            @pytest.mark.parametrize("number", range(8))
            def test_it(box, number):
                if number == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                assert box.exec("true").exit_code == 0
                with open("seen", "a") as file:
                    file.write(f"{box.id}\\n")
        """,
    )
    result.assert_outcomes(passed=7, failed=1)
    assert len(set(lines(pytester, "seen"))) == len(lines(pytester, "started")) == 1


def test_a_worker_that_is_lost_while_it_starts_one_is_followed_by_the_next(run: Run, pytester: pytest.Pytester) -> None:
    result = run(
        "-n",
        "2",
        conftest="""
            import os, signal
            from pathlib import Path
            from pytest_containers import container
            def hook(box):
                if not Path("lost").exists():
                    Path("lost").write_text(box.id)
                    os.kill(os.getpid(), signal.SIGKILL)
                Path("found").write_text(box.id)
            box = container("host", "sleep 1000", shared=True, after_start=hook)
        """,
        test_it="""
            import pytest
            from pathlib import Path
            @pytest.mark.parametrize("number", range(4))
            def test_it(box, number, containers):
                assert box.status == "running"
                client = containers.run("host", "true")._client
                assert Path("lost").read_text() not in [one["Id"] for one in client.containers.list(all=True)]
        """,
    )
    result.assert_outcomes(passed=3, failed=1)
    assert lines(pytester, "lost") != lines(pytester, "found")


def test_first_failure_ends_the_run_and_what_was_shared(run: Run, pytester: pytest.Pytester) -> None:
    result = run(
        "-n",
        "2",
        "-x",
        conftest=BOX,
        test_it="""
            import pytest
            @pytest.mark.parametrize("number", range(20))
            def test_it(box, number): assert number != 3
        """,
    )
    assert result.ret in {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED}
    assert len(lines(pytester, "started")) == 1


def test_interrupt_ends_the_run_and_what_was_shared(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(BOX)
    pytester.makepyfile(
        test_it="""
            import time
            from pytest_containers.session import place_of
            def test_it(box, request):
                with open("ready", "w") as file:
                    file.write(f"{place_of(request.config).directory}\\n{box.inspect()['State']['Pid']}")
                time.sleep(1000)
        """
    )
    os.mkfifo(pytester.path / "ready")
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "1"], stdout=subprocess.PIPE, text=True
    ) as process:
        directory, pid = (pytester.path / "ready").read_text().split()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANG_LIMIT)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert not Path(directory).exists()
    assert not Path(f"/proc/{pid}/root").exists()


@pytest.mark.usefixtures("workers")
def test_each_worker_has_a_slice(run: Run, pytester: pytest.Pytester) -> None:
    test = """
        import pytest
        @pytest.mark.parametrize("number", range(2))
        def test_it(everyone, box, number):
            assert box.slice() == box.slice(lambda box, name: None)
            def make(box, name):
                with open("made", "a") as file:
                    file.write(name + "\\n")
                box.exec(["mkdir", f"/tmp/{name}"], check=True)
                return f"/tmp/{name}"
            path = box.slice(make)
            assert box.exec(["test", "-d", path]).exit_code == 0
    """
    run("-n", "2", "--dist", "loadfile", conftest=BOX, test_it=test, test_other=test).assert_outcomes(passed=4)
    assert sorted(lines(pytester, "made")) == ["gw0", "gw1"]
    (pytester.path / "made").unlink()
    result = run(test_it=test.replace("everyone, ", ""), test_other=test.replace("everyone, ", ""))
    result.assert_outcomes(passed=4)
    assert re.fullmatch(r"(main\n)+", (pytester.path / "made").read_text())
