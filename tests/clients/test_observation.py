"""What docker's command shows of containers at work: events, stats, processes, sizes, the engine itself."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_containers.client import BadRequestError, Client
from tests.registry import Registry, busybox_layer

pytestmark = [
    pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command (tests/run installs it)"),
]

HANG = 60
"""Seconds; a hang limit, not a measurement."""


@pytest.fixture
def sleeper(docker):
    identity = docker.ok("run", "-d", "--name", "sleeper", "host", "sleep", "1000")
    yield identity
    docker("rm", "-f", identity)


def told(docker, *filters, since="0"):
    """The events of the past, as dictionaries."""
    words = [word for one in filters for word in ("--filter", one)]
    until = f"{time.time():.6f}"
    lines = docker.ok("events", "--since", since, "--until", until, "--format", "{{json .}}", *words)
    return [json.loads(line) for line in lines.splitlines()]


def test_events_of_a_life(docker):
    identity = docker.ok("create", "--name", "lively", "--label", "team=red", "host", "sleep", "1000")
    docker.ok("start", "lively")
    assert docker("exec", "lively", "sh", "-c", "exit 3")[0] == 3
    docker.ok("rename", "lively", "livelier")
    docker.ok("kill", "livelier")
    docker.ok("rm", "livelier")
    heard = told(docker, f"container={identity[:12]}")
    assert [event["Action"] for event in heard] == [
        "create", "start", "exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die", "rename", "kill", "die",
        "destroy",
    ]  # fmt: skip
    assert {event["Type"] for event in heard} == {"container"}
    said = {event["Action"].partition(":")[0]: event["Actor"]["Attributes"] for event in heard}
    assert all(attributes["team"] == "red" and attributes["image"] == "host" for attributes in said.values())
    assert said["exec_create"]["execID"] == said["exec_die"]["execID"]
    assert said["exec_die"]["exitCode"] == "3"
    assert said["rename"]["oldName"] == "/lively"
    assert said["kill"]["signal"] == "9"
    assert said["die"]["exitCode"] == "137"
    assert [event["status"] for event in heard][-1] == "destroy"
    assert heard[0]["from"] == "host"
    assert [event["Action"] for event in told(docker, "label=team=red", "event=exec_die", "event=die")] == [
        "exec_die", "die",
    ]  # fmt: skip


def test_a_forced_removal_is_a_kill(docker):
    identity = docker.ok("run", "-d", "host", "sleep", "1000")
    docker.ok("rm", "-f", identity)
    heard = [event["Action"] for event in told(docker, f"container={identity}")]
    assert heard == ["create", "start", "kill", "die", "destroy"]


def test_events_of_networks(docker):
    network = docker.ok("network", "create", "told")
    identity = docker.ok("run", "-d", "--network", "told", "host", "sleep", "1000")
    docker.ok("rm", "-f", identity)
    docker.ok("network", "rm", "told")
    heard = told(docker, "type=network", "network=told")
    assert [event["Action"] for event in heard] == ["create", "connect", "disconnect", "destroy"]
    assert {event["Actor"]["ID"] for event in heard} == {network}
    assert heard[1]["Actor"]["Attributes"] == {"name": "told", "type": "bridge", "container": identity}


def test_events_as_they_happen(docker):
    made = []
    command = ("events", "--filter", "type=container", "--filter", "event=create", "--format", "{{.ID}}")
    # The command does not say when it listens: containers are made until one of them is told of.
    with docker.popen(*command) as listening, ThreadPoolExecutor(1) as thread:
        heard = thread.submit(listening.stdout.readline)
        end = time.monotonic() + HANG
        while not heard.done() and time.monotonic() < end:
            made.append(docker.ok("create", "host", "true"))
        listening.terminate()
        assert heard.result().strip().decode() in made
    docker.ok("rm", *made)


@pytest.mark.needs("limits")
def test_stats(docker):
    busy = ["sh", "-c", "echo ready; while :; do :; done"]
    identity = docker.ok("run", "-d", "--name", "busy", "-m", "64m", "host", *busy)
    try:
        line = docker.ok("stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", "busy")
        found = json.loads(line)
        assert (found["ID"], found["Name"], found["PIDs"]) == (identity, "busy", "1")
        assert found["MemUsage"].endswith(" / 64MiB")
        assert not found["MemUsage"].startswith("0B")
        assert float(found["CPUPerc"].rstrip("%")) > 0
        assert " / " in found["NetIO"]
    finally:
        docker.ok("rm", "-f", "busy")


def test_stats_of_what_does_not_run_are_zero(docker):
    docker.ok("create", "--name", "idle", "host", "true")
    found = json.loads(docker.ok("stats", "--no-stream", "--format", "{{json .}}", "idle"))
    assert (found["CPUPerc"], found["MemUsage"], found["PIDs"]) == ("0.00%", "0B / 0B", "0")
    docker.ok("rm", "idle")


def test_a_stream_of_stats_ends_with_the_container(docker, sleeper):
    with Client(f"unix://{docker.path}") as client, client.containers.stats_stream(sleeper) as stream:
        samples = iter(stream)
        first, second = next(samples), next(samples)
        assert first["preread"].startswith("0001")
        assert second["preread"] == first["read"]
        assert second["precpu_stats"] == first["cpu_stats"]
        assert second["cpu_stats"]["online_cpus"] == first["cpu_stats"]["online_cpus"] > 0
        assert second["networks"]["eth0"]["rx_bytes"] >= first["networks"]["eth0"]["rx_bytes"]
        docker.ok("rm", "-f", sleeper)
        assert all(one["id"] == sleeper for one in samples)


def test_top(docker, sleeper):
    pid = docker.ok("inspect", "-f", "{{.State.Pid}}", sleeper)
    titles, line = docker.ok("top", sleeper).splitlines()
    assert titles.split()[:3] == ["UID", "PID", "PPID"]
    assert line.split()[1] == pid
    assert line.endswith("sleep 1000")
    assert docker.ok("top", sleeper, "-o", "pid,args").splitlines()[1].split() == [pid, "sleep", "1000"]
    assert docker.ok("top", sleeper, "aux").splitlines()[1].split()[1] == pid
    for words, told_ in (["-o", "cmd"], "find PID"), (["-o", "user=PID"], "not allowed"), (["--no-such"], "ps:"):
        code, _, err = docker("top", sleeper, *words)
        assert code == 1
        assert told_ in err
    docker.ok("kill", sleeper)
    assert "is not running" in docker("top", sleeper)[2]


def test_sizes(docker):
    written = "head -c 3000000 /dev/zero > /tmp/x; ln /tmp/x /tmp/y"
    docker.ok("run", "--name", "writer", "host", "sh", "-c", written)
    assert docker.ok("ps", "-a", "--filter", "name=writer", "--size", "--format", "{{.Size}}").startswith("3MB")
    assert docker.ok("inspect", "--size", "-f", "{{.SizeRw}}", "writer") == "3000000"
    rows = {row["Type"]: row for row in map(json.loads, docker.ok("system", "df", "--format", "json").splitlines())}
    assert (rows["Containers"]["TotalCount"], rows["Containers"]["Active"]) == ("1", "0")
    assert rows["Containers"]["Size"] == "3MB"
    assert int(rows["Images"]["Active"]) == 1
    verbose = docker.ok("system", "df", "-v")
    assert "writer" in verbose
    assert "host" in verbose
    assert docker.ok("container", "prune", "-f").splitlines()[-1] == "Total reclaimed space: 3MB"
    reclaimed = told(docker, "type=container", "event=prune")[-1]["Actor"]["Attributes"]
    assert reclaimed == {"reclaimed": "3000000"}


def test_df_of_a_kind_that_does_not_exist(docker):
    with Client(f"unix://{docker.path}") as client:
        assert set(client.system.df(["volume", "build-cache"])) == {"Volumes", "BuildCache"}
        with pytest.raises(BadRequestError, match="unknown object type: rubbish"):
            client.system.df(["rubbish"])


def test_prune_spares_what_the_filters_do_not_mean(docker):
    kept = docker.ok("create", "--label", "keep", "host", "true")
    gone = docker.ok("create", "host", "true")
    assert gone not in docker.ok("container", "prune", "-f", "--filter", "until=1h")
    assert gone in docker.ok("container", "prune", "-f", "--filter", "label!=keep")
    assert docker.ok("ps", "-aq", "--no-trunc") == kept
    docker.ok("rm", kept)
    docker.ok("network", "create", "--label", "keep", "kept")
    docker.ok("network", "create", "gone")
    assert docker.ok("network", "prune", "-f", "--filter", "label!=keep").splitlines() == ["Deleted Networks:", "gone"]
    docker.ok("network", "rm", "kept")


def test_wrong_filters(docker):
    for words in (["ps", "--filter", "rubbish=1"], ["container", "prune", "-f", "--filter", "rubbish=1"]):
        code, _, err = docker(*words)
        assert code == 1
        assert "invalid filter 'rubbish'" in err


@pytest.mark.needs("limits")
def test_info(docker, sleeper):
    info = json.loads(docker.ok("info", "--format", "{{json .}}"))
    assert (info["Containers"], info["ContainersRunning"], info["ContainersStopped"]) == (1, 1, 0)
    docker.ok("pause", sleeper)
    assert docker.ok("info", "--format", "{{.ContainersRunning}} {{.ContainersPaused}}") == "0 1"
    docker.ok("unpause", sleeper)
    assert info["CgroupVersion"] in {"1", "2"}
    assert info["MemTotal"] > 0
    assert info["NCPU"] > 0
    assert info["OperatingSystem"] != ""
    assert "name=seccomp,profile=builtin" in info["SecurityOptions"]
    assert ("name=rootless" in info["SecurityOptions"]) is (os.geteuid() != 0)
    assert not info.get("ServerErrors")
    told_ = docker.ok("info")
    for line in ("Running: 1", "Logging Driver: json-file", f"Kernel Version: {os.uname().release}"):
        assert line in told_
    assert "API version:      1.51 (minimum version 1.24)" in docker.ok("version")


def test_login(docker):
    with Registry(password=True) as registry:
        name, password = registry.credentials
        words = ["login", "-u", name, "--password-stdin", registry.address]
        assert "Login Succeeded" in docker.ok(*words, stdin=password.encode())
        docker.ok("logout", registry.address)
        code, _, err = docker(*words, stdin=b"wrong")
        assert code == 1
        assert "unauthorized" in err


def test_images_without_a_name_are_pruned(docker, tmp_path):
    archive = tmp_path / "root.tar"
    archive.write_bytes(busybox_layer().bytes())
    label = f"pruned={os.urandom(8).hex()}"
    unnamed = docker.ok("import", "-c", f"LABEL {label}", str(archive))
    named = docker.ok("import", "-c", f"LABEL {label}", "-m", "another", str(archive), "test-prune:1")
    assert unnamed in docker.ok("image", "prune", "-f", "--filter", f"label={label}")
    assert named in docker.ok("images", "-q", "--no-trunc", "test-prune")
    assert named in docker.ok("image", "prune", "-af", "--filter", f"label={label}")
    assert docker.ok("images", "-q", "test-prune") == ""
    heard = [event["Action"] for event in told(docker, "type=image", f"image={named}")]
    assert heard == ["import", "tag", "untag", "delete"]


def test_system_prune(docker):
    stopped = docker.ok("create", "host", "true")
    docker.ok("network", "create", "unused")
    # A filter that no image has: the machine's images without names are not this test's to remove.
    label = f"label={os.urandom(8).hex()}"
    assert docker.ok("system", "prune", "-f", "--filter", label) == "Total reclaimed space: 0B"
    assert docker.ok("ps", "-aq", "--no-trunc") == stopped
    docker.ok("rm", stopped)
    docker.ok("network", "rm", "unused")
    kinds = [event["Type"] for event in told(docker, "event=prune")][-4:]
    assert kinds == ["container", "network", "image", "builder"]
