"""Nothing is left when pytest, the engine or the launcher is killed in the middle of a test."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import leftovers, rights, roots

if TYPE_CHECKING:
    from collections.abc import Callable

ENGINE, LAUNCHER = "container_runtime serve", "container_runtime.launcher"
HANG = 90  # seconds; a hang limit, not a measurement: the virtual machine is slow
SUITE = """
    from pathlib import Path
    import time

    import pytest

    from pytest_containers import container, network, wait

    private = network()
    server = container("host", "python3 -m http.server 8000", network=private, wait=wait.port(8000))

    {marker}
    @pytest.mark.parametrize("number", range(2))
    def test_in_the_middle(server, containers, number):
        containers.run("host", ["sh", "-c", "setsid sleep 1000 & exec sleep 1000"])
        containers.run("host", ["sh", "-c", "echo > /tmp/its-own; exec sleep 1000"], user="{user}")
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
        (directory / "inside").unlink(missing_ok=True)
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
        """What there is of this run, directories without an owner apart: the next start sweeps those.

        Other engines may come and go beside it. An interface bears its engine's pid.
        """
        found = leftovers.observe()
        own = f"run-{self.process.pid}-"
        engines = [line for line in found if line.startswith("process") and ENGINE in line and own not in line]
        others = tuple(f"pc{int(line.split()[1].rstrip(':')) % 10**6:x}" for line in engines)
        new = [line for line in found - self.before if line.startswith(("interface", "route"))]
        return sorted(
            [line for line in found if own in line and not line.startswith(("run directory", "socket"))]
            + [line for line in new if not line.split()[1].startswith(others)]
        )

    def pid_of(self, what: str) -> int:
        """The process with ``what`` in its command line, but not those that it has forked."""
        lines = [line for line in self.left() if line.startswith("process") and what in line]
        found = {int(line.split()[1].rstrip(":")) for line in lines}
        (first,) = [pid for pid in found if parent_of(pid) not in found]
        return first

    def await_nothing_left(self, counts: Callable[[str], bool] = bool) -> None:
        end = time.monotonic() + HANG
        while left := [line for line in self.left() if counts(line)]:
            assert time.monotonic() < end, "\n".join(left)
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def suite(pytester: pytest.Pytester):
    marker = '@pytest.mark.container_limits(memory="200m", pids=20)' if rights.has("limits") else ""
    user = "nobody" if rights.has("other-users") else "root"
    pytester.makepyfile(test_suite=SUITE.format(marker=marker, user=user))
    made: list[Suite] = []

    def start(*options: str) -> Suite:
        made.append(Suite(pytester.path, *options))
        return made[-1]

    yield start
    for each in made:
        each.kill()
    for each in made:
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


@pytest.mark.vm
def test_kill_of_the_engine(suite):
    running = suite()
    running.await_inside()
    os.kill(running.pid_of(ENGINE), signal.SIGKILL)
    running.await_nothing_left()
    assert running.process.poll() is None, "pytest itself goes on"


@pytest.mark.vm
def test_kill_of_the_launcher(suite):
    """Every container ends with it. The engine stays, to tell what has happened, until pytest ends."""
    running = suite()
    running.await_inside()
    launcher = running.pid_of(LAUNCHER)
    engine = running.pid_of(ENGINE)
    os.kill(launcher, signal.SIGKILL)
    running.await_nothing_left(lambda line: line.startswith("process") and f"process {engine}:" not in line)
    running.process.send_signal(signal.SIGINT)
    running.process.wait(HANG)
    running.await_nothing_left()


@pytest.mark.needs("fuse")
@pytest.mark.parametrize("victim", [ENGINE, LAUNCHER])
def test_kill_where_a_program_serves_the_files(suite, tmp_path, monkeypatch, victim):
    """fuse-overlayfs ends with the launcher, whatever ends that."""
    roots.remember("fuse-overlayfs", tmp_path / "data")
    monkeypatch.setenv("PYTEST_CONTAINERS_DATA", str(tmp_path / "data"))
    running = suite()
    running.await_inside()
    assert len([line for line in running.left() if "fuse-overlayfs -f" in line]) == 3
    victims = [running.pid_of(victim), running.process.pid]
    for process in victims:
        os.kill(process, signal.SIGKILL)
    running.process.wait(HANG)
    running.await_nothing_left()


def test_kill_of_all_at_once_is_swept_by_the_next_start(suite):
    running = suite()
    running.await_inside()
    both = [running.pid_of(ENGINE), running.pid_of(LAUNCHER)]
    for process in both:
        os.kill(process, signal.SIGSTOP)  # neither may clean up after the other
    for process in both:
        os.kill(process, signal.SIGKILL)
    running.kill()
    again = suite()
    again.await_inside()
    running.await_nothing_left()


def test_an_interrupted_run_leaves_nothing(suite):
    running = suite()
    running.await_inside()
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(HANG) == pytest.ExitCode.INTERRUPTED, running.log.read_text()
    running.await_nothing_left()
