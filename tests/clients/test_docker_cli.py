"""Docker's own command against our engine: what it prints, and with which exit code it ends."""

import json
import os
import re
import shutil
import signal
import time

import pytest

pytestmark = [
    pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command (tests/run installs it)"),
]

HANG = 60
"""Seconds; a hang limit, not a measurement."""


@pytest.fixture
def sleeper(docker):
    identity = docker.ok("run", "-d", "host", "sleep", "1000")
    yield identity
    docker("rm", "-f", identity)


def test_version_and_info(docker):
    version = json.loads(docker.ok("version", "--format", "{{json .}}"))
    assert version["Server"]["ApiVersion"] == "1.51"
    info = json.loads(docker.ok("info", "--format", "{{json .}}"))
    assert info["OSType"] == "linux"
    assert not info.get("ServerErrors")


def test_run_passes_streams_and_exit_code_on(docker):
    assert docker("run", "--rm", "host", "sh", "-c", "echo out; echo err >&2; exit 7") == (7, "out\n", "err\n")
    assert docker.ok("ps", "-aq") == ""


def test_run_with_input(docker):
    data = os.urandom(400_000).hex().encode()
    assert docker.ok("run", "--rm", "-i", "host", "cat", stdin=data) == data.decode()


def test_output_larger_than_every_buffer(docker):
    assert docker.ok("run", "--rm", "host", "sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x") == "x" * 5_000_000


def test_with_a_terminal_lines_end_as_terminals_do(docker):
    assert docker("run", "--rm", "-t", "host", "sh", "-c", "test -t 0 && test -t 1 && echo yes")[:2] == (0, "yes\r\n")


def test_a_program_that_a_signal_ended(docker):
    assert docker("run", "--rm", "host", "sh", "-c", "sh -c 'kill -9 $$'")[0] == 137


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["host", "no-such-program"], 127, "executable file not found in $PATH"),
        (["host", "/etc/passwd"], 126, "permission denied"),
        (["--pull", "never", "no-such-image", "true"], 125, "No such image: no-such-image"),
        (["--memory", "1m", "host", "true"], 125, "Minimum memory limit"),
        (["--network", "no-such", "host", "true"], 125, "network no-such not found"),
        (["-u", "no-such", "host", "true"], 125, "unable to find user no-such"),
        (["-v", "_v:/x", "host", "true"], 125, "includes invalid characters for a local volume name"),
        (["-v", "/etc/passwd:/usr", "host", "true"], 125, "Are you trying to mount a directory onto a file"),
        (["--name", "-x", "host", "true"], 125, "Invalid container name"),
    ],
)
def test_what_fails_says_why_and_leaves_nothing(docker, words, code, told):
    found, out, err = docker("run", "--rm", *words)
    assert (found, out) == (code, "")
    assert told in err
    assert docker.ok("ps", "-aq") == ""


def test_a_name_is_taken_until_it_is_free(docker):
    docker.ok("run", "-d", "--name", "taken", "host", "sleep", "1000")
    code, _, err = docker("run", "--name", "taken", "host", "true")
    assert code == 125
    assert "already in use" in err
    docker.ok("rename", "taken", "other")
    docker.ok("run", "--rm", "--name", "taken", "host", "true")
    docker.ok("rm", "-f", "other")


def test_life_of_a_container(docker, sleeper):
    assert docker.ok("ps", "-q", "--no-trunc") == sleeper
    code, _, err = docker("rm", sleeper)
    assert code == 1
    assert "container is running" in err
    docker.ok("stop", "-t", "0", sleeper)
    assert docker.ok("ps", "-q") == ""
    assert docker.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", sleeper) == "exited 137"
    docker.ok("start", sleeper)
    assert docker.ok("inspect", "-f", "{{.State.Running}}", sleeper[:12]) == "true"
    docker.ok("restart", "-t", "0", sleeper)
    docker.ok("kill", sleeper)
    docker.ok("rm", sleeper)
    code, _, err = docker("inspect", sleeper)
    assert code == 1
    assert "No such object" in err


def test_wait_and_exit_code(docker):
    identity = docker.ok("run", "-d", "host", "sh", "-c", "exit 5")
    assert docker.ok("wait", identity) == "5"
    docker.ok("rm", identity)


def test_logs(docker):
    identity = docker.ok("run", "-d", "host", "sh", "-c", "echo one; echo two; echo three")
    docker.ok("wait", identity)
    assert docker.ok("logs", identity) == "one\ntwo\nthree"
    assert docker.ok("logs", "--tail", "1", identity) == "three"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three", docker.ok("logs", "-t", "-n", "1", identity))
    assert docker.ok("logs", "--since", "2999-01-01T00:00:00", identity) == ""
    docker.ok("rm", identity)


def test_logs_are_followed_to_the_end(docker):
    identity = docker.ok("run", "-d", "host", "sh", "-c", "echo one; exec sleep 1000")
    following = docker.popen("logs", "-f", identity)
    assert following.stdout.readline() == b"one\n"
    docker.ok("kill", identity)
    assert following.communicate(timeout=HANG)[0] == b""
    docker.ok("rm", identity)


@pytest.mark.needs("other-users")
def test_exec(docker, sleeper):
    assert docker("exec", sleeper, "sh", "-c", "echo in; exit 3") == (3, "in\n", "")
    assert docker.ok("exec", "-i", sleeper, "cat", stdin=b"x" * 200_000) == "x" * 200_000
    assert docker.ok(
        "exec", "-e", "A=b", "-w", "/usr", "-u", "1234:5", sleeper, "sh", "-c", "echo $A $PWD; id -u; id -g"
    ) == ("b /usr\n1234\n5")
    assert docker("exec", sleeper, "no-such-program")[0] == 127
    assert docker("exec", sleeper, "/etc/passwd")[0] == 126
    docker.ok("exec", "-d", sleeper, "touch", "/done")


@pytest.mark.needs("other-users")
def test_exec_knows_users_that_were_added_since(docker, sleeper):
    docker.ok("exec", sleeper, "sh", "-c", "echo new:x:4321:4321::/home/new:/bin/sh >> /etc/passwd")
    assert docker.ok("exec", "-u", "new", sleeper, "sh", "-c", "id -u; echo $HOME") == "4321\n/home/new"


def test_exec_needs_a_running_container(docker, sleeper):
    docker.ok("kill", sleeper)
    code, _, err = docker("exec", sleeper, "true")
    assert code == 1
    assert "is not running" in err


def test_attach_sees_what_comes(docker):
    identity = docker.ok("run", "-d", "-i", "host", "cat")
    attached = docker.popen("attach", identity)
    attached.stdin.write(b"hello\n")
    attached.stdin.flush()
    assert attached.stdout.readline() == b"hello\n"
    docker.ok("kill", identity)
    attached.communicate(timeout=HANG)
    docker.ok("rm", identity)


def test_interrupted_run_ends_its_container(docker):
    running = docker.popen(
        "run", "--rm", "host", "sh", "-c", "trap 'exit 9' INT; echo up; while :; do sleep 0.05; done"
    )
    assert running.stdout.readline() == b"up\n"
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=HANG)
    assert running.returncode == 9


@pytest.mark.needs("limits")
def test_limits(docker):
    identity = docker.ok("run", "-d", "--memory", "64m", "host", "tail", "/dev/zero")
    assert docker.ok("wait", identity) == "137"
    assert docker.ok("inspect", "-f", "{{.State.OOMKilled}}", identity) == "true"
    docker.ok("rm", identity)
    assert docker.ok("run", "--rm", "--ulimit", "nofile=100:200", "host", "sh", "-c", "ulimit -n") == "100"


def test_places(docker, tmp_path):
    (tmp_path / "file").write_text("from the host")
    bound = ("run", "--rm", "-v", f"{tmp_path}:/data:ro", "host")
    assert docker.ok(*bound, "cat", "/data/file") == "from the host"
    assert docker(*bound, "touch", "/data/x")[0] == 1
    assert docker("run", "--rm", "--read-only", "host", "touch", "/x")[0] == 1
    assert docker.ok("run", "--rm", "--tmpfs", "/mnt:size=1m", "host", "stat", "-f", "-c", "%T", "/mnt") == "tmpfs"
    assert docker.ok("run", "--rm", "-w", "/made/here", "host", "pwd") == "/made/here"


def test_names_of_the_container(docker):
    out = docker.ok(
        "run",
        "--rm",
        "--hostname",
        "box",
        "--add-host",
        "extra:1.2.3.4",
        "host",
        "sh",
        "-c",
        "hostname; cat /etc/hosts",
    )
    assert out.startswith("box\n")
    assert re.search(r"^1\.2\.3\.4\s+extra$", out, re.MULTILINE)
    assert re.search(r"^[\d.]+\s+host\.docker\.internal$", out, re.MULTILINE)


def test_networks(docker):
    docker.ok("network", "create", "one")
    docker.ok("network", "create", "two")
    docker.ok("run", "-d", "--name", "server", "--network", "one", "--network-alias", "db", "host", "sleep", "1000")
    look = ("run", "--rm", "--network", "one", "host", "getent", "hosts")
    address = docker.ok("inspect", "-f", "{{.NetworkSettings.Networks.one.IPAddress}}", "server")
    for name in ("server", "db"):
        assert docker.ok(*look, name).split()[0] == address
    docker.ok("rename", "server", "renamed")
    assert docker.ok(*look, "renamed").split()[0] == address
    assert docker(*look, "server")[0] == 2
    assert docker("run", "--rm", "--network", "two", "host", "getent", "hosts", "renamed")[0] == 2
    docker.ok("network", "connect", "two", "renamed")
    assert docker.ok("run", "--rm", "--network", "two", "host", "getent", "hosts", "renamed")
    code, _, err = docker("network", "rm", "one")
    assert code == 1
    assert "active endpoints" in err
    docker.ok("network", "disconnect", "two", "renamed")
    docker.ok("rm", "-f", "renamed")
    docker.ok("network", "rm", "one", "two")
    assert docker.ok("network", "ls", "--format", "{{.Name}}").split() == ["bridge", "host", "none"]


def test_a_network_connected_before_the_start_comes_beside_the_default_one(docker):
    docker.ok("network", "create", "early")
    docker.ok("create", "--name", "waiting", "host", "hostname", "-I")
    docker.ok("network", "connect", "early", "waiting")
    assert len(docker.ok("start", "-a", "waiting").split()) == 2
    docker.ok("rm", "waiting")
    docker.ok("network", "rm", "early")


def test_an_address_that_was_just_given_back(docker):
    docker.ok("network", "create", "--subnet", "10.231.50.0/24", "fixed")
    ping = "import socket; socket.create_server(('', 80)).accept()[0].sendall(b'%d')"
    read = "import socket; print(socket.create_connection(('10.231.50.9', 80), 5).recv(9).decode())"
    for number in range(3):
        docker.ok(
            "run",
            "-d",
            "--name",
            "same",
            "--network",
            "fixed",
            "--ip",
            "10.231.50.9",
            "host",
            "python3",
            "-c",
            ping % number,
        )
        client = (
            "import time\nfor _ in range(100):\n try:\n"
            f"  {read}\n  break\n except ConnectionRefusedError: time.sleep(0.05)"
        )
        assert docker.ok("run", "--rm", "--network", "fixed", "host", "python3", "-c", client) == str(number)
        docker.ok("rm", "-f", "same")
    docker.ok("network", "rm", "fixed")


def test_without_a_network(docker):
    assert docker.ok("run", "--rm", "--network", "none", "host", "ls", "/sys/class/net") == "lo"


def test_a_network_shared_with_another_container(docker, sleeper):
    address = docker.ok("exec", sleeper, "hostname", "-I")
    assert docker.ok("run", "--rm", "--network", f"container:{sleeper}", "host", "hostname", "-I") == address


def test_images(docker):
    assert "host" in docker.ok("images", "--format", "{{.Repository}}").split()
    code, _, err = docker("rmi", "host")
    assert code == 1
    assert "host" in err
    assert json.loads(docker.ok("image", "inspect", "host"))[0]["Os"] == "linux"


def test_labels_and_filters(docker):
    identity = docker.ok("create", "--label", "team=red", "host", "true")
    assert docker.ok("ps", "-aq", "--no-trunc", "--filter", "label=team=red") == identity
    assert docker.ok("ps", "-aq", "--filter", "label=team=blue") == ""
    assert identity in docker.ok("ps", "-aq", "--no-trunc", "--filter", "status=created").split()
    assert identity in docker.ok("container", "prune", "-f")


def test_events(docker):
    before = time.time()
    docker.ok("run", "--rm", "--name", "told", "host", "true")
    lines = docker.ok(
        "events", "--since", f"{before:.6f}", "--until", f"{time.time():.6f}", "--filter", "container=told",
        "--format", "{{.Action}}",
    )  # fmt: skip
    assert [word for word in lines.split() if word != "destroy"] == ["create", "attach", "start", "die"]


def test_what_is_not_here_yet_says_so(docker):
    for words in (["search", "anything"],):
        code, _, err = docker(*words)
        assert code
        assert "not implemented" in err
