"""Docker's own command, and an engine of ours for it to speak to."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.leftovers import of_engine
from tests.waiting import until_gone

HANG = 60
"""Seconds; a hang limit, not a measurement."""


class Docker:
    """Types docker commands for one engine."""

    def __init__(self, path):
        self.path = path
        self.command = ("docker", "-H", f"unix://{path}")
        self.environment = {**os.environ, "DOCKER_CONFIG": str(path.parent)}

    def __call__(self, *words, stdin=b""):
        ran = subprocess.run(
            [*self.command, *words], input=stdin, capture_output=True, timeout=HANG, env=self.environment
        )
        return ran.returncode, ran.stdout.decode(), ran.stderr.decode()

    def ok(self, *words, stdin=b""):
        code, out, err = self(*words, stdin=stdin)
        assert code == 0, out + err
        return out.strip()

    def popen(self, *words):
        return subprocess.Popen(
            [*self.command, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
        )


@contextmanager
def serving(directory, **environment):
    """An engine with its socket and log in a directory, and a command that speaks to it."""
    path = directory / "docker.sock"
    command = [sys.executable, "-P", "-m", "container_runtime", "serve", "--socket", path, "--log", path.parent / "log"]
    with subprocess.Popen(command, env={**os.environ, **environment}) as engine:
        try:
            await_engine = Docker(path)
            end = time.monotonic() + HANG
            while await_engine("version")[0] and engine.poll() is None and time.monotonic() < end:
                pass  # each attempt waits for itself; a socket that another process makes is not announced
            yield await_engine
        finally:
            engine.terminate()
            assert engine.wait(HANG) == 0
    assert "Traceback" not in (path.parent / "log").read_text()
    until_gone(lambda: of_engine(engine.pid))


@pytest.fixture(scope="module")
def docker(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("engine")) as docker:
        yield docker


@pytest.fixture
def run(docker):
    """Start containers that are gone after the test."""
    made = []

    def start(*words):
        made.append(docker.ok("run", "-d", *words))
        return made[-1]

    yield start
    docker("rm", "-f", *made)
