"""What the plugin costs a test run, and how fast a killed run is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import OURS, Work, interleave, timed
from tests import leftovers

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 30.0
"""Seconds after which a killed run counts as never gone."""
EMPTY = "def test_nothing():\n    pass\n"
FIXTURE = """\
import pytest
from pytest_containers import container

box = container("host", ["sleep", "infinity"])

@pytest.mark.parametrize("number", range({count}))
def test_box(box, number):
    assert box.id
"""
REDIS = """\
import pytest
from pytest_containers import container, wait

cache = container("host", ["redis-server", "--save", "", "--protected-mode", "no"], wait=wait.port(6379))

@pytest.mark.parametrize("number", range({count}))
def test_cache(cache, number):
    assert cache.port(6379)
"""
INSIDE = """\
import pytest

@pytest.mark.in_container
@pytest.mark.parametrize("number", range({count}))
def test_inside(number):
    assert number >= 0
"""
RECORD = """\
import json, os, time

import pytest

def write(*what):
    if path := os.environ.get("BENCHMARK_RECORD"):  # not in containers
        with open(path, "a") as file:
            print(json.dumps(what), file=file)

def pytest_runtest_logreport(report):
    write(report.when, report.duration * 1000)

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    start = time.perf_counter()
    result = yield
    write("all", (time.perf_counter() - start) * 1000)
    return result
"""
KILLED = """\
import time
from pytest_containers import container, network

net = network()
box = container("host", ["sleep", "infinity"], network=net)
tool = container("host", ["sleep", "infinity"])

def test_killed(box, tool):
    print("running", flush=True)
    time.sleep(1000)
"""


def _pytest(directory: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(directory),
            "-c", os.devnull, *options, str(directory)]  # fmt: skip


def _run(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **(environment or {})})


def without_containers(rounds: int) -> Work:
    """A run that uses no container, with the plugin and without; others' plugins would hide what ours imports."""
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "test_nothing.py").write_text(EMPTY)
        return interleave(
            "pytest run without containers",
            {
                OURS: lambda: timed(lambda: _run(_pytest(Path(name), "-p", "pytest_containers.plugin"), alone)),
                "pytest alone": lambda: timed(lambda: _run(_pytest(Path(name)), alone)),
            },
            rounds,
        )


def _phases(tests: str, rounds: int, *options: str) -> dict[str, list[float]]:
    """Milliseconds of set-up, call and teardown of each test but the first, as pytest counts them, and of all of it.

    The first one waits for the engine, which the work "engine ready" tells.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "conftest.py").write_text(RECORD)
        (directory / "test_phases.py").write_text(tests.format(count=rounds + 1))
        record = directory / "record"
        _run(_pytest(directory, *options), {"BENCHMARK_RECORD": str(record)})
        reports = [json.loads(line) for line in record.read_text().splitlines()]
    return {phase: [spent for when, spent in reports if when == phase][1:] for phase in ("setup", "teardown", "all")}


def fixture(rounds: int) -> list[Work]:
    """A function's container of the host image, and one with redis-server: set-up (ready) and teardown.

    Without look-ahead, so that a set-up is all there is to wait for.
    """
    works: list[Work] = []
    for name, tests in (("fixture", FIXTURE), ("redis-server fixture", REDIS)):
        phases = _phases(tests, rounds, "--containers-lookahead=off")
        works += [Work(f"{name} {word}", samples={OURS: phases[phase]})
                  for word, phase in (("set-up", "setup"), ("teardown", "teardown"))]  # fmt: skip
    return works


def inside(rounds: int) -> Work:
    """A test that runs in a container, from the second one on: all that pytest does for it."""
    return Work("in_container test", samples={OURS: _phases(INSIDE, rounds)["all"]})


def killed() -> float:
    """Milliseconds from SIGKILL of pytest until nothing of its run is left on the machine."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "test_killed.py").write_text(KILLED)
        before = leftovers.observe()
        with subprocess.Popen(_pytest(Path(name), "-s"), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            if not any("running" in line for line in process.stdout):
                raise RuntimeError("the test that was to be killed did not run")
            made = {line for line in leftovers.observe() - before if _belongs_to(process.pid, line)}
            process.send_signal(signal.SIGKILL)
            start = time.perf_counter()
            process.wait()
        while left := {line for line in leftovers.observe() if line in made or f"run-{process.pid}-" in line}:
            if time.perf_counter() - start > LIMIT:
                raise RuntimeError(f"left behind after {LIMIT} s: {sorted(left)}")
            time.sleep(0.002)  # neither the end of a namespace nor that of a cgroup is announced
        return (time.perf_counter() - start) * 1000


def _belongs_to(pid: int, line: str) -> bool:
    """Whether what was observed bears the name of the run, or is of a kind that bears none."""
    return f"run-{pid}-" in line or line.startswith(("interface ", "route "))


def measure(rounds: int) -> list[Work]:
    """All of it."""
    return [
        without_containers(rounds),
        *fixture(rounds),
        inside(rounds),
        interleave("kill -9 of pytest until nothing is left", {OURS: killed}, min(rounds, 10), warm_up=0),
    ]
