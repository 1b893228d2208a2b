"""The life of containers, networks and files with our command alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "pytest_containers.cli.main")
HANG = 60
"""Seconds; a hang limit, not a measurement."""


class Shell:
    """Types commands for one engine."""

    def __init__(self, url):
        self.environment = {**os.environ, "DOCKER_HOST": url}

    def __call__(self, *words, stdin=b""):
        ran = subprocess.run([*COMMAND, *words], input=stdin, capture_output=True, timeout=HANG, env=self.environment)
        return ran.returncode, ran.stdout.decode(), ran.stderr.decode()

    def ok(self, *words, stdin=b""):
        code, out, err = self(*words, stdin=stdin)
        assert (code, err) == (0, ""), out + err
        return out

    @contextlib.contextmanager
    def popen(self, *words):
        process = subprocess.Popen(
            [*COMMAND, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def state(self, name):
        return json.loads(self.ok("inspect", name))[0]["State"]


@pytest.fixture(scope="module")
def shell(docker):
    return Shell(docker.command[2])


@pytest.fixture
def sleeper(shell):
    name = "sleeper"
    script = "trap 'exit 5' HUP; echo begun; while :; do sleep 0.05; done"
    shell.ok("run", "-d", "--name", name, "host", "sh", "-c", script)
    yield name
    shell("rm", "-f", name, "other")


def await_attach(shell, name):
    """The engine tells when somebody is attached; signals are caught before."""
    identifier = json.loads(shell.ok("inspect", name))[0]["Id"]
    with shell.popen("events", "--since", "1h", "-f", f"container={identifier}", "-f", "event=attach") as listening:
        assert b" attach " in listening.stdout.readline()


def test_created_started_waited_for(shell, tmp_path):
    identifier = shell.ok("create", "-i", "--cidfile", f"{tmp_path}/id", "host", "sh", "-c", "cat; exit 3").strip()
    assert (tmp_path / "id").read_text() == identifier
    assert shell.state(identifier)["Status"] == "created"
    code, _, err = shell("create", "--cidfile", f"{tmp_path}/id", "host")
    assert (code, "container ID file found" in err) == (1, True)
    assert shell("start", "-ai", identifier, stdin=b"given") == (3, "given", "")
    assert shell.ok("wait", identifier, identifier) == "3\n3\n"
    assert shell.ok("rm", identifier) == f"{identifier}\n"


def test_two_are_not_attached_at_once(shell):
    assert shell("start", "-a", "x", "y")[::2] == (
        1,
        "pytest-containers: you cannot start and attach multiple containers at once\n",
    )


@pytest.mark.needs("limits")
def test_paused_restarted_renamed(shell, sleeper):
    assert shell.ok("pause", sleeper) == f"{sleeper}\n"
    assert shell.state(sleeper)["Paused"]
    assert shell.ok("ps", "-q", "-f", "status=paused")
    assert shell.ok("unpause", sleeper) == f"{sleeper}\n"
    first = shell.state(sleeper)["Pid"]
    assert shell.ok("restart", "-t", "0", sleeper) == f"{sleeper}\n"
    assert shell.state(sleeper)["Pid"] not in (0, first)
    assert shell.ok("rename", sleeper, "other") == ""
    assert shell.ok("kill", "other") == "other\n"
    assert shell.ok("wait", "other") == "137\n"
    assert shell.state("other")["ExitCode"] == 137


@pytest.mark.needs("limits")
def test_updated(shell, sleeper):
    options = "-m 64m --memory-swap 64m --pids-limit 50 --restart no".split()
    assert shell.ok("update", *options, sleeper) == f"{sleeper}\n"
    found = json.loads(shell.ok("inspect", sleeper))[0]["HostConfig"]
    assert (found["Memory"], found["PidsLimit"]) == (64 << 20, 50)
    assert "one or more flags" in shell("update", sleeper)[2]


def test_attached_and_signalled(shell, sleeper):
    with shell.popen("attach", "--no-stdin", sleeper) as attached:
        await_attach(shell, sleeper)
        attached.send_signal(signal.SIGHUP)
        assert attached.communicate(timeout=HANG)[1] == b""
        assert attached.returncode == 5
    assert shell.state(sleeper)["ExitCode"] == 5


def test_signals_are_for_us_where_they_are_not_passed_on(shell, sleeper):
    with shell.popen("attach", "--no-stdin", "--sig-proxy=false", sleeper) as attached:
        await_attach(shell, sleeper)
        attached.send_signal(signal.SIGINT)
        assert attached.wait(HANG) == 130
    assert shell.state(sleeper)["Running"]


def test_logs_of_a_while(shell, sleeper):
    assert shell.ok("logs", "--since", "1h", sleeper) == "begun\n"
    assert shell.ok("logs", "--since", "0s", sleeper) == ""
    assert shell.ok("logs", "--until", "1h", sleeper) == ""
    assert shell.ok("logs", "-t", sleeper).split()[0].endswith("Z")


def test_networks(shell):
    identifier = shell.ok("network", "create", "--label", "a=b", "--subnet", "10.123.0.0/24", "--gateway", "10.123.0.1",
                          "own").strip()  # fmt: skip
    assert json.loads(shell.ok("network", "inspect", "own"))[0]["IPAM"]["Config"] == [
        {"Subnet": "10.123.0.0/24", "Gateway": "10.123.0.1"}
    ]
    assert shell.ok("network", "ls", "-q", "--no-trunc", "-f", "label=a=b") == f"{identifier}\n"
    shell.ok("run", "-d", "--name", "member", "--network", "own", "--network-alias", "alias", "host", "sleep", "1000")
    shell.ok("run", "-d", "--name", "guest", "host", "sleep", "1000")
    assert shell.ok("network", "connect", "--alias", "visitor", "own", "guest") == ""
    assert shell.ok("exec", "member", "getent", "hosts", "visitor").split()[0].startswith("10.123.0.")
    assert shell.ok("network", "disconnect", "own", "guest") == ""
    assert shell("network", "rm", "own")[0] == 1
    shell.ok("rm", "-f", "member", "guest")
    assert "own" in shell.ok("network", "prune", "-f")
    assert shell("network", "rm", "own", "bridge")[0] == 1
    assert shell.ok("network", "rm", "-f", "own") == ""
    code, _, err = shell("network", "create", "--subnet", "10.0.0.0/24", "--gateway", "10.1.0.1", "wrong")
    assert (code, err) == (1, "pytest-containers: no matching subnet for 10.1.0.1\n")


def test_prune_asks(shell):
    shell.ok("create", "--name", "idle", "host", "true")
    out = shell.ok("container", "prune", stdin=b"n\n")
    assert out.startswith("WARNING! This will remove:\n  - all stopped containers\n")
    assert shell.ok("ps", "-aq", "-f", "name=idle")
    assert "Deleted Containers:" in shell.ok("container", "prune", stdin=b"y\n")
    assert shell.ok("ps", "-aq", "-f", "name=idle") == ""
    assert json.loads(shell.ok("container", "prune", "-f", "--format", "json"))["SpaceReclaimed"] == 0


def test_stats_and_events_as_they_come(shell, sleeper):
    with shell.popen("stats", "--format", "json", sleeper) as watching:
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
        assert first["Name"] == second["Name"] == sleeper
        assert second["CPUPerc"].endswith("%")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(HANG) == 130
    identifier = json.loads(shell.ok("inspect", sleeper))[0]["Id"]
    with shell.popen("events", "--since", "1h", "-f", f"container={identifier}", "--format", "json") as listening:
        shell.ok("kill", sleeper)
        actions = [json.loads(listening.stdout.readline())["Action"] for _ in range(4)]
        assert actions == ["create", "start", "kill", "die"]
        listening.send_signal(signal.SIGINT)
        assert listening.wait(HANG) == 130


def test_a_variable_of_a_file(shell, tmp_path):
    (tmp_path / "env").write_text("A=from file\nB=1\n")
    out = shell.ok("run", "--rm", "--env-file", f"{tmp_path}/env", "-e", "B=2", "host", "sh", "-c", 'echo "$A $B"')
    assert out == "from file 2\n"


def test_output_of_one_stream_only(shell):
    words = ("run", "--rm", "-a", "stderr", "host", "sh", "-c", "echo out; echo err >&2")
    assert shell(*words) == (0, "", "err\n")


def test_clean_leaves_what_lives(shell, sleeper):
    inside = Path(f"/proc/{shell.state(sleeper)['Pid']}/root/etc")
    before = sorted(path.name for path in inside.iterdir())
    out = shell.ok("clean")
    assert "kept what belongs to the engines that are alive: " in out
    assert sorted(path.name for path in inside.iterdir()) == before
    assert shell.ok("exec", sleeper, "sh", "-c", "echo here") == "here\n"
    assert shell.ok("run", "--rm", "host", "echo", "there") == "there\n"
