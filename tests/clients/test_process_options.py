"""What docker's options make of a container's processes: whose namespaces, which groups, which devices."""

import platform
from pathlib import Path

import pytest

from tests.waiting import until

SHELL = ("host", "sh", "-c")
COMMANDS = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; true"


def test_the_processes_of_another_container(docker, run):
    first = run("host", "sh", "-c", "echo >/tmp/begun; exec sleep 4321")
    seen = docker.ok(
        "run", "--rm", "--pid", f"container:{first}", "host", "sh", "-c", "cat /proc/1/cmdline; echo; echo $$"
    )
    command, own = seen.split("\n")
    assert command.replace("\0", " ").strip() == "sleep 4321"
    assert int(own) > 1


@pytest.mark.needs("limits")
def test_what_a_container_starts_in_a_shared_pid_namespace_ends_with_it(docker, run):
    first = run("host", "sleep", "1000")
    docker.ok("run", "--rm", "--pid", f"container:{first}", "host", "sh", "-c", "setsid sleep 4322 & exit 0")
    until(lambda: "sleep 4322" not in docker.ok("exec", first, "sh", "-c", COMMANDS))
    docker.ok("run", "--rm", "--pid", "host", "host", "sh", "-c", "setsid sleep 4323 & exit 0")
    commands = docker.ok(
        "run", "--rm", "--pid", "host", "host", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; true"
    )
    assert "sleep 4323" not in commands
    assert "sleep 1000" in commands  # the run's containers see each other there


def test_exec_in_a_container_with_a_shared_pid_namespace(docker, run):
    first = run("host", "sleep", "4324")
    second = run("--pid", f"container:{first}", "host", "sleep", "4325")
    assert "4324" in docker.ok("exec", second, "cat", "/proc/1/cmdline")
    docker.ok("kill", second)
    assert docker("exec", first, "true")[0] == 0


def test_shared_memory_of_another_container(docker, run):
    first = run("--ipc", "shareable", "host", "sh", "-c", "echo shared >/dev/shm/file; exec sleep 1000")
    until(lambda: docker("exec", first, "test", "-s", "/dev/shm/file")[0] == 0)
    seen = docker.ok(
        "run",
        "--rm",
        "--ipc",
        f"container:{first}",
        "host",
        "sh",
        "-c",
        "cat /dev/shm/file; readlink /proc/self/ns/ipc",
    )
    assert seen.split("\n") == ["shared", docker.ok("exec", first, "readlink", "/proc/self/ns/ipc")]


def test_private_memory_is_not_shared(docker, run):
    first = run("host", "sleep", "1000")
    code, _, err = docker("run", "--rm", "--ipc", f"container:{first}", "host", "true")
    assert code == 125
    assert "non-shareable IPC" in err
    assert docker("run", "--rm", "--ipc", "none", "host", "test", "-e", "/dev/shm/x")[0] == 1


def test_joining_who_does_not_run_is_an_error(docker):
    name = docker.ok("create", "host", "true")
    for kind in ("pid", "ipc"):
        code, _, err = docker("run", "--rm", f"--{kind}", f"container:{name}", "host", "true")
        assert code == 125
        assert f"cannot join {kind.upper()} namespace of a non running container" in err
    docker.ok("rm", name)
    code, _, err = docker("run", "--rm", "--pid", "container:no-such", "host", "true")
    assert code == 125
    assert "No such container" in err


def test_the_machine_s_names(docker):
    assert docker.ok("run", "--rm", "--uts", "host", "host", "hostname") == platform.node()
    assert docker.ok("run", "--rm", "--network", "host", "host", "hostname") == platform.node()
    assert docker.ok("run", "--rm", "--hostname", "other", "host", "hostname") == "other"


def test_the_machine_s_cgroup_namespace(docker):
    own = str(Path("/proc/self/ns/cgroup").readlink())
    assert docker.ok("run", "--rm", "--cgroupns", "host", "host", "readlink", "/proc/self/ns/cgroup") == own
    assert docker.ok("run", "--rm", "host", "readlink", "/proc/self/ns/cgroup") != own


@pytest.mark.needs("limits")
def test_a_cgroup_parent_is_made_and_goes(docker, run):
    names = [run("--cgroup-parent", "both/of-us", "host", "sleep", "1000") for _ in "ab"]
    for name in names:
        pid = docker.ok("inspect", "-f", "{{.State.Pid}}", name)
        assert f"/both/of-us/{name}" in Path(f"/proc/{pid}/cgroup").read_text()
    assert docker("create", "--cgroup-parent", "a/../../b", "host", "true")[0] != 0


def test_links_are_names(docker, run):
    first = run("--name", "first-one", "host", "sleep", "1000")
    address = docker.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", first)
    assert address in docker.ok("run", "--rm", "--link", "first-one:db", "host", "grep", "db", "/etc/hosts")
    assert docker("run", "--rm", "--link", "no-such:db", "host", "true")[0] == 125


@pytest.mark.needs("limits")
@pytest.mark.needs("root")
def test_device_rules(docker):
    """1:11 is /dev/kmsg, which no container may read unless a rule allows it."""
    words = [
        "--cap-add",
        "SYSLOG",
        "--cap-add",
        "MKNOD",
        "host",
        "sh",
        "-c",
        "mknod /dev/kmsg c 1 11; exec 3</dev/kmsg",
    ]
    assert docker("run", "--rm", *words)[0] != 0
    assert docker("run", "--rm", "--device-cgroup-rule", "c 1:11 rwm", *words)[0] == 0
    assert docker("run", "--rm", "--device-cgroup-rule", "c 1:11 rwmx", *words)[0] == 125


def test_no_network_where_it_is_disabled(docker):
    assert docker.ok("run", "--rm", "--network", "none", "host", "sh", "-c", "ls /sys/class/net") == "lo"


@pytest.mark.parametrize("words", [["--pid", "mine"], ["--ipc", "yours"], ["--uts", "container:x"]])
def test_modes_that_there_are_not(docker, words):
    assert docker("create", *words, "host", "true")[0] != 0
