"""What our command prints beside what docker's prints, for the same objects of the same engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests import rights

COMMAND = (sys.executable, "-m", "pytest_containers.cli.main")
HANG = 60
"""Seconds; a hang limit, not a measurement."""


class Both:
    """Types a command for both."""

    def __init__(self, docker):
        self.docker = docker
        self.environment = {**os.environ, "DOCKER_HOST": docker.command[2]}

    def ours(self, *words, stdin=b""):
        ran = subprocess.run([*COMMAND, *words], input=stdin, capture_output=True, timeout=HANG, env=self.environment)
        return ran.returncode, ran.stdout.decode(), ran.stderr.decode()

    def at_once(self, *words):
        """What both print while no age changes."""
        end = time.monotonic() + HANG
        while True:
            before = self.docker(*words)
            found = self.ours(*words)
            if self.docker(*words) == before or time.monotonic() > end:
                return found, before


@pytest.fixture(scope="module")
def both(docker):
    """An engine with a container of each kind."""
    docker.ok("network", "create", "--label", "x=y", "private")
    docker.ok("run", "-d", "--name", "lives", "-l", "a=b", "-l", "c", "--network", "private", "--health-cmd", "true",
              "host", "sh", "-c", "echo out; echo err >&2; exec sleep 1000")  # fmt: skip
    docker.ok("create", "--name", "waits", "--expose", "7000-7002", "-v", "/tmp:/mnt", "host", "echo", 'a "b"\n')
    docker("run", "--name", "ended", "host", "sh", "-c", "exit 3")
    docker.ok("run", "-d", "--name", "frozen", "host", "sleep", "1000")
    if rights.has("limits"):
        docker.ok("pause", "frozen")
    yield Both(docker)
    docker.ok("rm", "-f", "lives", "waits", "ended", "frozen")
    docker.ok("network", "rm", "private")


@pytest.mark.parametrize(
    "words",
    [
        "ps",
        "ps -a",
        "ps -a --no-trunc",
        "ps -q",
        "ps -aq --no-trunc",
        "ps -a -n 2",
        "ps -l",
        "ps -a -f status=exited",
        "ps -a -f label=a=b -f name=li",
        "container ls -a",
        "images host",
        "images --no-trunc host",
        "image ls -q host",
        "history host",
        "network ls",
        "network ls --no-trunc",
        "network ls -q -f name=private",
        "network inspect private bridge",
        "inspect waits private",
        "inspect --type container ended",
        "container inspect ended",
        "image inspect host",
        "port lives",
        "top lives -o pid,args",
        "logs lives",
        "logs -n 1 lives",
        "logs -t lives",
        "wait ended",
    ],
)
def test_the_same_to_the_letter(both, words):
    assert both.docker(*words.split())[0] == 0
    found, expected = both.at_once(*words.split())
    assert found == expected


def objects(text):
    # "Platform" is null with docker's command, whatever the engine says; our command leaves it out.
    found = [json.loads(line) for line in text.splitlines()]
    return [{key: value for key, value in one.items() if key != "Platform"} if isinstance(one, dict) else one
            for one in found]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        "ps -a",
        "ps -a --no-trunc",
        "images host",
        "history host",
        "network ls",
        "inspect lives waits",
        "network inspect private",
    ],
)
def test_the_same_objects(both, words):
    (code, out, err), (_, expected_out, _) = both.at_once(*words.split(), "--format", "json")
    assert (code, err) == (0, "")
    found, expected = objects(out), objects(expected_out)
    assert expected or "history" in words
    assert found == expected


def test_info_is_the_engines_own_words(both):
    code, out, err = both.ours("info", "--format", "json")
    assert (code, err) == (0, "")
    found, expected = json.loads(out), json.loads(both.docker.ok("info", "--format", "json"))
    for name in ("ID", "Name", "Driver", "ServerVersion", "Containers", "NCPU", "MemTotal", "CgroupVersion", "Plugins"):
        assert found[name] == expected[name]
    lines = both.ours("info")[1].splitlines()
    expected = {"Server:", f"  Running: {found['ContainersRunning']}", f" Name: {found['Name']}"}
    assert set(lines) & {*both.docker.ok("info").splitlines()} >= expected


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("start nothing", 1),
        ("rm nothing", 1),
        ("rm lives", 1),
        ("pause waits", 1),
        ("unpause lives", 1),
        ("kill ended", 1),
        ("kill -s NONSENSE lives", 1),
        ("rename lives waits", 1),
        ("update -m 4 lives", 1),
        ("network rm nothing", 1),
        ("network rm private", 1),
        ("network connect private lives", 1),
        ("network create private", 1),
        ("inspect nothing", 1),
        ("inspect nothing lives", 1),
        ("port lives 99", 1),
        ("attach ended", 1),
        pytest.param("attach frozen", 1, marks=pytest.mark.needs("limits")),
        ("logs nothing", 1),
        ("top ended", 1),
        ("wait nothing", 1),
        ("exec ended true", 1),
        ("exec lives no-such-program", 127),
        ("exec lives /etc/passwd", 126),
        ("run --rm host no-such-program", 127),
        ("run --rm -m 1k host true", 125),
        ("run --rm --restart always host true", 125),
        ("run --rm -p nonsense host true", 125),
        ("run --nonsense host true", 125),
        ("run --name lives host true", 125),
        ("create --name lives host true", 1),
        ("run --rm --pull never no/such/image true", 125),
        ("ps --nonsense", 125),
        ("rm", 1),
        ("nonsense", 1),
    ],
)
def test_the_same_failures(both, words, code):
    expected = both.docker(*words.split(" "))
    found = both.ours(*words.split(" "))
    assert (expected[0], found[0]) == (code, code)
    assert found[1] == expected[1]
    if code == 1 and expected[2].startswith("Error response from daemon: "):
        message = expected[2].splitlines()[0].removeprefix("Error response from daemon: ")
        assert message in found[2]
    assert "Traceback" not in found[2]
    # What went wrong with an exec comes where its output would have come.
    assert len((found[1] if words.startswith("exec") else "").splitlines() + found[2].splitlines()) == 1


@pytest.mark.parametrize("words", ["stats --no-stream lives frozen", "stats --no-stream -a"])
def test_stats_have_dockers_columns(both, words):
    expected = both.docker.ok(*words.split()).splitlines()
    found = both.ours(*words.split())[1].splitlines()
    assert found[0].split() == expected[0].split()
    assert {line.split()[0] for line in found} == {line.split()[0] for line in expected}


def test_events_of_the_past(both):
    until = both.docker.ok("info", "--format", "{{.SystemTime}}")
    words = ("events", "--since", "1h", "--until", until, "-f", "type=container")
    assert both.docker.ok("events", "--since", "1h", "--until", until)
    expected = both.docker.ok(*words).splitlines()
    assert both.ours(*words)[1].splitlines() == expected
    assert [json.loads(line) for line in both.ours(*words, "--format", "json")[1].splitlines()] == [
        json.loads(line) for line in both.docker.ok(*words, "--format", "json").splitlines()
    ]
