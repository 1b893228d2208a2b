"""What a run made on an engine that somebody else runs is gone when pytest is, however it ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_containers.client import Client
from tests.engines import own_engine
from tests.plugin.conftest import ELSEWHERE, HANG_LIMIT, await_watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., pytest.RunResult]
    Left = Callable[[], list[str]]

SUITE = """
    import os
    from pytest_containers import container, network, volume
    net, store = network(scope="session"), volume(scope="session", files={"a": "b"})
    box = container("host", "sleep 1000", network=net, volumes={"/mnt": store}, scope="session")
    def test_it(box, containers):
        containers.run("host", "sleep 1000")
        end()
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An engine that is not the run's own; the plugin treats it as Docker."""
    if ELSEWHERE:
        yield ELSEWHERE
        return
    with own_engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine.address


@pytest.fixture(autouse=True)
def _own_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", f"{tmp_path}")


@pytest.fixture
def left(url: str, tmp_path: Path) -> Callable[[], list[str]]:
    """What is there that belongs to a run, once those who watch over runs have ended."""

    def left() -> list[str]:
        await_watchers(f"{tmp_path}")
        filters = {"label": ["org.pytest-containers.run"]}
        with Client(url) as client:
            found = [each.get("Id", "") for each in client.containers.list(all=True, filters=filters)]
            found += [each.get("Id", "") for each in client.networks.list(filters=filters)]
            return found + [each.get("Name", "") for each in client.volumes.list(filters=filters)]

    return left


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(3)", "os.kill(os.getpid(), 15)"])
def test_pytest_that_is_killed(pytester: pytest.Pytester, url: str, left: Left, end: str) -> None:
    pytester.makepyfile(test_it=SUITE + f"    def end(): {end}\n")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--containers-engine={url}"]
    with subprocess.Popen([*words, "-s"], stdout=subprocess.DEVNULL) as process:
        assert process.wait(HANG_LIMIT) not in {0, 1}
    assert left() == []


def test_controller_of_xdist_that_is_killed(pytester: pytest.Pytester, url: str, left: Left) -> None:
    pytester.makepyfile(test_it=SUITE + "    def end(): os.kill(os.getppid(), 9), os._exit(1)\n")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--containers-engine={url}", "-n", "1"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert process.wait(HANG_LIMIT) == -signal.SIGKILL
    assert left() == []


def test_lost_worker(run: Run, url: str, left: Left) -> None:
    result = run(f"--containers-engine={url}", "-n", "1", test_it=SUITE + "    def end(): os._exit(1)\n")
    result.assert_outcomes(failed=1)
    assert left() == []


def test_orderly_end_keeps_what_is_to_be_kept_and_nobody_watches_any_more(
    run: Run, url: str, left: Left, tmp_path: Path
) -> None:
    result = run(f"--containers-engine={url}", "--containers-keep=all", test_it=SUITE + "    def end(): ...\n")
    result.assert_outcomes(passed=1)
    assert len(left()) == 4
    with Client(url) as client:
        for one in client.containers.list(all=True):
            client.containers.remove(one.get("Id", ""), force=True, volumes=True)
        for one in client.networks.list(filters={"label": ["org.pytest-containers.run"]}):
            client.networks.remove(one.get("Id", ""))
        for one in client.volumes.list():
            client.volumes.remove(one.get("Name", ""))
    result = run(f"--containers-engine={url}", test_it=SUITE + "    def end(): ...\n")
    result.assert_outcomes(passed=1)
    assert left() == []
    assert list(tmp_path.glob("*-watch*")) == []


def test_watch_that_cannot_begin_is_a_warning(run: Run, url: str) -> None:
    result = run(
        f"--containers-engine={url}",
        conftest="""
            from pytest_containers import watching
            def fails(*_):
                raise OSError(28, "No space left on device")
            watching.Watch.begin = fails
        """,
        test_it=SUITE + "    def end(): ...\n",
    )
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines("*what this run makes will stay on the engine if pytest is killed: *No space left*")
