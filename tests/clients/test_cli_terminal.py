"""Containers with a terminal, typed from one: a pseudo-terminal with our command at its other end."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

COMMAND = (sys.executable, "-m", "pytest_containers.cli.main")
HANG = 60
"""Seconds; a hang limit, not a measurement."""


class Typist:
    """Sits at a terminal of 30 rows and 100 columns in which our command runs."""

    def __init__(self, url, *words):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            try:
                # The size is there before the command looks.
                self._resize(1, 30, 100)
                os.execve(COMMAND[0], [*COMMAND, *words], {**os.environ, "DOCKER_HOST": url, "TERM": "dumb"})
            finally:
                os._exit(99)
        self.seen = b""
        self.ended = False

    @staticmethod
    def _resize(descriptor, rows, columns):
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self._resize(self.terminal, rows, columns)

    def type(self, text):
        os.write(self.terminal, text if isinstance(text, bytes) else text.encode())

    def until(self, text):
        """Read until the terminal shows a text; return what was before it."""
        end = time.monotonic() + HANG
        while text not in self.seen:
            assert self._read(end), f"no {text!r} in {self.seen!r}"
        before, _, self.seen = self.seen.partition(text)
        return before.decode()

    def _read(self, end):
        if not select.select([self.terminal], [], [], max(0, end - time.monotonic()))[0]:
            return False
        try:
            piece = os.read(self.terminal, 65536)
        except OSError:  # EIO: nobody has the other end any more, pty(7)
            return False
        self.seen += piece
        return bool(piece)

    def ask(self, command):
        """Type a command of a shell; return what it wrote."""
        self.type(f"{command}; echo d''one\n")
        return self.until(b"done\r\n").rpartition("d''one\r\n")[2].removeprefix("# ")

    def exit_code(self):
        end = time.monotonic() + HANG
        while self._read(end):
            pass
        assert time.monotonic() < end, f"it does not end: {self.seen!r}"
        self.ended = True
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self):
        os.close(self.terminal)  # the command gets SIGHUP
        if not self.ended:
            os.waitpid(self.pid, 0)


@pytest.fixture
def sit_down(docker):
    made = []

    def sit_down(*words):
        made.append(Typist(docker.command[2], *words))
        return made[-1]

    yield sit_down
    for typist in made:
        typist.close()
    docker("rm", "-f", "shell")


def test_a_shell(sit_down):
    typist = sit_down("run", "-it", "--rm", "--name", "shell", "host", "sh")
    assert typist.ask("stty size") == "30 100\r\n"
    assert typist.ask("test -t 0 && test -t 2 && echo yes") == "yes\r\n"
    typist.resize(41, 111)
    assert typist.ask("while ! stty size | grep '41 111'; do :; done") == "41 111\r\n"
    typist.type("sh -c 'echo be''gun; exec sleep 1000'; echo ended $?\n")
    typist.until(b"begun\r\n")  # before, Ctrl-C may reach the shell alone
    typist.type(b"\x03")
    typist.type("\necho af''ter\n")
    typist.until(b"after\r\n")
    typist.type("exit 7\n")
    assert typist.exit_code() == 7


def test_our_terminal_is_as_it_was(sit_down):
    """After the container is gone: a program of ours that reads lines gets lines."""
    typist = sit_down("run", "-it", "--rm", "host", "stty", "-a")
    typist.until(b"opost")
    assert typist.exit_code() == 0
    flags = termios.tcgetattr(typist.terminal)
    assert flags[3] & termios.ICANON
    assert flags[3] & termios.ECHO
    assert flags[1] & termios.OPOST


def test_exec_start_and_attach(sit_down, docker):
    docker.ok("run", "-dit", "--name", "shell", "host", "sh")
    typist = sit_down("exec", "-it", "shell", "sh")
    assert typist.ask("stty size") == "30 100\r\n"
    typist.type("exit 3\n")
    assert typist.exit_code() == 3
    typist = sit_down("attach", "shell")
    typist.type("stty size; echo he''re\n")
    assert "30 100" in typist.until(b"here\r\n")
    typist.type("exit 4\n")
    assert typist.exit_code() == 4
    docker.ok("rm", "shell")
    docker.ok("create", "-it", "--name", "shell", "host", "sh")
    typist = sit_down("start", "-ai", "shell")
    assert typist.ask("stty size") == "30 100\r\n"
    typist.type("exit 5\n")
    assert typist.exit_code() == 5


def test_a_terminal_is_needed_for_one(docker):
    for words in (["run", "-it", "--rm", "host", "true"], ["run", "-it", "host", "true"]):
        ran = subprocess.run([*COMMAND, "-H", docker.command[2], *words], stdin=subprocess.DEVNULL, capture_output=True,
                             timeout=HANG)  # fmt: skip
        assert ran.returncode == docker(*words)[0]
        assert ran.stderr == b"pytest-containers: the input device is not a TTY\n"
    assert docker.ok("ps", "-aq") == ""


def test_no_tables_of_pulls_in_pipes_but_bars_here(sit_down):
    typist = sit_down("pull", "127.0.0.1:1/nothing")
    typist.until(b"127.0.0.1:1")
    assert typist.exit_code() == 1


def test_stats_redraw_the_screen(sit_down, docker):
    docker.ok("run", "-d", "--name", "shell", "host", "sleep", "1000")
    typist = sit_down("stats")
    for _ in range(2):
        typist.until(b"\x1b[H")
        assert "CONTAINER ID" in typist.until(b"shell")
    docker.ok("rm", "-f", "shell")
    typist.type(b"\x03")
    assert typist.exit_code() == 130
