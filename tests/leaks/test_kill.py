"""Nothing is left when pytest, the engine or the launcher is killed in the middle of a test."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import leftovers

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the engine makes namespaces")

HANG = 20.0  # seconds; a limit for hangs, the benchmark measures
SUITE = """
    from pathlib import Path
    import time

    import pytest

    from pytest_containers import container, network, wait

    private = network()
    server = container("host", "python3 -m http.server 8000", network=private, wait=wait.port(8000))

    @pytest.mark.container_limits(memory="200m", pids=20)
    @pytest.mark.parametrize("number", range(2))
    def test_in_the_middle(server, containers, number):
        containers.run("host", ["sh", "-c", "setsid sleep 1000 & exec sleep 1000"])
        containers.run("host", ["sleep", "1000"], user="nobody")
        Path("inside").touch()
        time.sleep(30)
        Path("outside").touch()
"""


def parent_of(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("PPid:")]
    return int(line.split()[1])


class Suite:
    """A pytest of its own with a suite that stays in a test."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.before = leftovers.observe()
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        self.log = directory / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=subprocess.STDOUT)

    def await_inside(self) -> None:
        end = time.monotonic() + HANG
        while not (self.directory / "inside").exists():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    def left(self) -> list[str]:
        """What is new since before, directories without an owner apart: the next start sweeps those."""
        found = leftovers.observe() - self.before
        return sorted(line for line in found if not line.startswith(("run directory", "socket")))

    def pid_of(self, what: str) -> int:
        """The new process with ``what`` in its command line, but not those that it has forked."""
        found = {
            int(line.split()[1].rstrip(":")) for line in self.left() if line.startswith("process") and what in line
        }
        (first,) = [pid for pid in found if parent_of(pid) not in found]
        return first

    def await_nothing_left(self) -> None:
        end = time.monotonic() + HANG
        while left := self.left():
            assert time.monotonic() < end, left
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def suite(pytester: pytest.Pytester):
    pytester.makepyfile(test_suite=SUITE)
    made: list[Suite] = []

    def start(*options: str) -> Suite:
        made.append(Suite(pytester.path, *options))
        return made[-1]

    yield start
    for each in made:
        each.kill()
        each.await_nothing_left()


@pytest.mark.parametrize("attempt", range(10))
def test_kill_of_pytest_at_a_random_moment(suite, attempt):
    seed = random.randrange(1 << 32)
    moment = random.Random(seed)
    print(f"seed {seed}")
    running = suite(*(["-n", "2"] if attempt % 5 == 4 else []))
    if attempt % 2:
        running.await_inside()
        time.sleep(moment.uniform(0, 0.2))
    else:
        time.sleep(moment.uniform(0.1, 2.5))  # anywhere: start, collection, engine, container
    running.kill()
    running.await_nothing_left()


@pytest.mark.parametrize("what", ["container_runtime serve", "container_runtime.launcher"], ids=["engine", "launcher"])
def test_kill_of_the_engine_and_of_the_launcher(suite, what):
    running = suite()
    running.await_inside()
    os.kill(running.pid_of(what), signal.SIGKILL)
    running.await_nothing_left()
    assert running.process.poll() is None, "pytest itself goes on"


def test_kill_of_all_at_once_is_swept_by_the_next_start(suite):
    running = suite()
    running.await_inside()
    for process in (running.pid_of("container_runtime serve"), running.pid_of("container_runtime.launcher")):
        os.kill(process, signal.SIGSTOP)  # neither may clean up after the other
    for what in ("container_runtime serve", "container_runtime.launcher"):
        os.kill(running.pid_of(what), signal.SIGKILL)
    running.kill()
    again = suite()
    again.await_inside()
    again.kill()
    again.await_nothing_left()
    assert not [line for line in leftovers.observe() - running.before if "cgroup" in line]


def test_an_interrupted_run_leaves_nothing(suite):
    running = suite()
    running.await_inside()
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(HANG) == pytest.ExitCode.INTERRUPTED, running.log.read_text()
    running.await_nothing_left()
