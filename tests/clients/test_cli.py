"""The command ``pytest-containers`` as a user types it, against a real engine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from container_runtime.state.paths import data_home, runtime_home
from tests import leftovers
from tests.waiting import until_gone

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = (sys.executable, "-m", "pytest_containers.cli.main")
HANG = 60
"""Seconds; a hang limit, not a measurement."""
DEFAULT_SOCKET = Path("/var/run/docker.sock")


class Shell:
    """Types commands for the engine at one socket."""

    def __init__(self, path: Path, engine: int) -> None:
        self.engine = engine
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{path}"}

    def __call__(self, *words: str, stdin: bytes = b"") -> tuple[int, str, str]:
        ran = subprocess.run([*COMMAND, *words], input=stdin, capture_output=True, timeout=HANG, env=self.environment)
        return ran.returncode, ran.stdout.decode(), ran.stderr.decode()

    def ok(self, *words: str, stdin: bytes = b"") -> str:
        code, out, err = self(*words, stdin=stdin)
        assert (code, err) == (0, ""), out + err
        return out

    def background(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, env=self.environment)


def await_socket(path: Path, process: subprocess.Popen[bytes]) -> None:
    """A socket made by another process is not announced."""
    end = time.monotonic() + HANG
    while time.monotonic() < end and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        time.sleep(0.01)
    pytest.fail(f"no engine listens on {path}")


@contextlib.contextmanager
def serving(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([*COMMAND, "serve", "--socket", path])
    try:
        await_socket(path, process)
        yield process
    finally:
        process.terminate()
        process.wait(HANG)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    path = tmp_path_factory.mktemp("engine") / "docker.sock"
    with serving(path) as engine:
        yield Shell(path, engine.pid)


def held_by(engine: int) -> set[str]:
    """What an engine has made for containers: their control groups, directories and layers.

    Not their processes: those of other engines, which tests beside this one may start, look alike. One group in each
    hierarchy is that of the process that waits for the next container.
    """
    groups = [Path(line.partition(" ")[2]) for line in leftovers.cgroups() if f"run-{engine}-" in line]
    runs = [*runtime_home().glob(f"run-{engine}-*/containers")]
    layers = [*(data_home() / "layers-of-runs").glob(f"run-{engine}-*")]
    assert runs
    held: set[str] = set()
    for directory in (*groups, *runs, *layers):
        names = sorted(entry.name for entry in directory.iterdir() if entry.is_dir())
        waiting = [name for name in names if name.startswith("spare-")][-1:]
        held |= {f"{directory}/{name}" for name in names if name not in waiting}
    return held


def assert_nothing_is_left(engine: int) -> None:
    """Of what bears the name of an engine's run."""
    until_gone(lambda: leftovers.of_engine(engine))


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    assert line.startswith("pytest-containers: ")
    return line


def test_output_and_exit_code_are_the_programs(shell: Shell) -> None:
    assert shell("run", "--rm", "host", "sh", "-c", "echo out; echo err >&2; exit 7") == (7, "out\n", "err\n")
    assert shell.ok("ps", "-a", "-q") == ""


def test_input_is_passed_on_and_ends(shell: Shell) -> None:
    sent = os.urandom(1_500_000).hex()
    assert shell.ok("run", "--rm", "-i", "host", "cat", stdin=sent.encode()) == sent


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["host", "no-such-program"], 127, "no-such-program"),
        (["host", "/etc/passwd"], 126, "/etc/passwd"),
        (["127.0.0.1:1/no/image", "true"], 125, "127.0.0.1:1"),
        (["-m", "1k", "host", "true"], 125, "memory"),
        (["--network", "no-such-network", "host", "true"], 125, "no-such-network"),
        (["-v", "/proc/no/such/source:/mnt", "host", "true"], 125, "/proc/no/such/source"),
        (["-u", "no-such-user", "host", "true"], 125, "no-such-user"),
    ],
)
def test_what_fails_is_told_in_one_line_and_leaves_nothing(
    shell: Shell, words: list[str], code: int, told: str
) -> None:
    before = held_by(shell.engine)
    ended, out, err = shell("run", "--rm", *words)
    assert (ended, out) == (code, "")
    assert told.lower() in one_line(err).lower()
    assert shell.ok("ps", "-a", "-q") == ""
    until_gone(lambda: held_by(shell.engine) - before)  # nobody waits for the removal of groups and files


@pytest.mark.needs("limits")
def test_the_options_of_run_arrive(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("mine\n")
    script = "id -u; pwd; hostname; echo $A; cat /given; cat /proc/self/mounts | grep -c '^tmpfs /scratch '; touch /x"
    code, out, err = shell(
        *("run", "--rm", "-u", "1234:1234", "-w", "/tmp", "--hostname", "box", "-e", "A=b", "--read-only"),
        *("-v", f"{tmp_path}/given:/given:ro", "--tmpfs", "/scratch", "-m", "256m", "--cpus", "0.5"),
        *("--pids-limit", "50", "--network", "none", "--entrypoint", "/bin/sh", "host", "-c", script),
    )
    assert out.splitlines() == ["1234", "/tmp", "box", "b", "mine", "1"]
    assert code != 0
    assert "Read-only file system" in err


@pytest.mark.needs("other-users")
def test_a_life_in_the_background(shell: Shell) -> None:
    identifier = shell.ok("run", "-d", "--name", "quiet", "host", "sh", "-c", "echo hello; exec sleep 1000").strip()
    try:
        header, row = shell.ok("ps").splitlines()
        assert header.split("   ")[0] == "CONTAINER ID"
        assert row.startswith(f"{identifier[:12]}   host")
        assert row.endswith("quiet")
        assert shell.ok("ps", "-q", "--no-trunc") == f"{identifier}\n"
        assert "already in use" in one_line(shell("run", "--name", "quiet", "host", "true")[2])
        assert shell.ok("exec", "-e", "A=5", "-w", "/tmp", "quiet", "sh", "-c", "echo $A; pwd") == "5\n/tmp\n"
        assert shell.ok("exec", "-i", "-u", "1234", "quiet", "sh", "-c", "id -u; cat", stdin=b"in") == "1234\nin"
        assert shell("exec", "quiet", "sh", "-c", "exit 3")[0] == 3
        assert shell("exec", "quiet", "no-such-program")[0] == 127
        follower = shell.background("logs", "-f", "quiet")
        assert follower.stdout
        assert follower.stdout.readline() == b"hello\n"
        assert shell.ok("stop", "-t", "0", "quiet") == "quiet\n"
        assert follower.communicate(timeout=HANG) == (b"", None)
        assert follower.returncode == 0
        assert shell.ok("ps", "-q") == ""
        assert "Exited (137)" in shell.ok("ps", "-a")
        assert shell.ok("logs", "--tail", "1", "--timestamps", "quiet").split()[1:] == ["hello"]
        assert "not running" in one_line(shell("exec", "quiet", "true")[2])
    finally:
        assert shell.ok("rm", "-f", "quiet") == "quiet\n"


def test_all_names_are_tried_though_one_is_wrong(shell: Shell) -> None:
    shell.ok("run", "-d", "--name", "right", "host", "sleep", "1000")
    code, out, err = shell("rm", "-f", "wrong", "right")
    assert (code, out) == (1, "right\n")
    assert one_line(err).endswith("No such container: wrong")


def test_images_are_listed(shell: Shell) -> None:
    assert shell.ok("images").splitlines()[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert any(line.split()[:2] == ["host", "latest"] for line in shell.ok("images").splitlines())
    assert all(len(line) == 12 for line in shell.ok("images", "-q").split())


def test_a_refused_registry_is_one_line(shell: Shell) -> None:
    code, out, err = shell("pull", "127.0.0.1:1/nothing")
    assert (code, out) == (1, "")
    assert "127.0.0.1:1" in one_line(err)


def test_ctrl_c_stops_the_container_and_shows_its_last_words(shell: Shell) -> None:
    script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    running = shell.background("run", "--rm", "host", "sh", "-c", script)
    assert running.stdout
    assert running.stdout.readline() == b"ready\n"
    running.send_signal(signal.SIGINT)
    assert running.communicate(timeout=HANG)[0] == b"bye\n"
    assert running.returncode == 5
    assert shell.ok("ps", "-a", "-q") == ""


def test_a_second_ctrl_c_kills_it(shell: Shell) -> None:
    script = "trap 'echo deaf' TERM; echo ready; while :; do sleep 0.05; done"
    running = shell.background("run", "--rm", "host", "sh", "-c", script)
    assert running.stdout
    assert running.stdout.readline() == b"ready\n"
    running.send_signal(signal.SIGINT)
    assert running.stdout.readline() == b"deaf\n"
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=HANG)
    assert running.returncode == 137


def test_a_reader_that_goes_away_ends_the_container(shell: Shell) -> None:
    running = shell.background("run", "--rm", "host", "sh", "-c", "while :; do echo y; done")
    assert running.stdout
    running.stdout.readline()
    running.stdout.close()
    running.wait(HANG)
    assert shell.ok("ps", "-a", "-q") == ""


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine is named and none is there."""
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(DEFAULT_SOCKET)) == 0:
            pytest.skip(f"an engine listens on {DEFAULT_SOCKET}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)


@pytest.mark.usefixtures("nobody")
def test_run_brings_its_own_engine_and_leaves_nothing() -> None:
    words = [*COMMAND, "run", "host", "sh", "-c", "echo here; exit 4"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as own:
        assert own.communicate(timeout=HANG) == (b"here\n", b"")
    assert own.returncode == 4
    assert_nothing_is_left(own.pid)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("words", [["ps"], ["run", "-d", "host", "true"]])
def test_without_an_engine_one_line_says_what_to_do(words: list[str]) -> None:
    ran = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=HANG)
    assert ran.returncode == (125 if words[0] == "run" else 1)
    assert "pytest-containers serve --socket" in one_line(ran.stderr)


def test_serve_ends_on_sigterm_with_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "own.sock"
    with serving(path) as engine:
        assert path.stat().st_mode & 0o777 == 0o600
        shell = Shell(path, engine.pid)
        shell.ok("run", "-d", "host", "sleep", "1000")
        attached = shell.background("run", "host", "sleep", "1000")
        reader = threading.Thread(target=attached.communicate)
        reader.start()
        engine.terminate()
        assert engine.wait(HANG) == 0
        reader.join(HANG)
        assert attached.returncode != 0
    assert not path.exists()
    assert_nothing_is_left(engine.pid)
