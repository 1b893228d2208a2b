"""From the options of ``run`` and ``create`` to the request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_containers.cli.creation import container_body, update_body
from pytest_containers.cli.main import parse
from pytest_containers.cli.values import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def body(*words: str) -> Any:
    args = parse(["run", *words])
    return container_body(args, detach=args.detach)


def host(*words: str) -> Any:
    return body(*words, "host")["HostConfig"]


def test_the_options_of_run_become_dockers_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", "mine")
    made = body(
        *"-d --rm --name n -e A=1 -e OWN -e NOT_THERE -v /a:/b:ro -w /w -u 1:2 --network net".split(),
        *"--network-alias db -m 64m --cpus 0.5 --pids-limit 50 --entrypoint sh -l x=y --hostname h --read-only".split(),
        *"--tmpfs /t:size=1m host -c --rm".split(),
    )
    assert made["Image"] == "host"
    assert made["Cmd"] == ["-c", "--rm"]
    assert made["Env"] == ["A=1", "OWN=mine"]
    assert made["Entrypoint"] == ["sh"]
    assert (made["WorkingDir"], made["User"], made["Hostname"], made["Labels"]) == ("/w", "1:2", "h", {"x": "y"})
    assert made["NetworkingConfig"] == {"EndpointsConfig": {"net": {"Aliases": ["db"]}}}
    assert made["HostConfig"] == {
        "AutoRemove": True,
        "ReadonlyRootfs": True,
        "Binds": ["/a:/b:ro"],
        "Tmpfs": {"/t": "size=1m"},
        "NetworkMode": "net",
        "Memory": 64 << 20,
        "NanoCpus": 500_000_000,
        "PidsLimit": 50,
    }


def test_what_is_not_said_is_not_sent() -> None:
    made = body("host")
    assert made == {
        "Image": "host",
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": [],
        "Labels": {},
        "HostConfig": {},
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--init --privileged -P --oom-kill-disable", ("Init", "Privileged", "PublishAllPorts", "OomKillDisable")),
    ],
)
def test_flags(words: str, expected: tuple[str, ...]) -> None:
    assert host(*words.split()) == dict.fromkeys(expected, True)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("--cap-add A --cap-add B", "CapAdd", ["A", "B"]),
        ("--cap-drop ALL", "CapDrop", ["ALL"]),
        ("--device /dev/fuse", "Devices",
         [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}]),
        ("--restart on-failure:3", "RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 3}),
        ("--ulimit nofile=5", "Ulimits", [{"Name": "nofile", "Soft": 5, "Hard": 5}]),
        ("--sysctl a.b=1 --sysctl c=2", "Sysctls", {"a.b": "1", "c": "2"}),
        ("--annotation a=b", "Annotations", {"a": "b"}),
        ("--shm-size 1m", "ShmSize", 1 << 20),
        ("--memory-swap -1", "MemorySwap", -1),
        ("--cpu-shares 512", "CpuShares", 512),
        ("--cpuset-cpus 0-1", "CpusetCpus", "0-1"),
        ("--pids-limit -1", "PidsLimit", -1),
        ("--oom-score-adj -500", "OomScoreAdj", -500),
        ("--log-driver json-file --log-opt max-size=1m", "LogConfig",
         {"Type": "json-file", "Config": {"max-size": "1m"}}),
        ("--pid host", "PidMode", "host"),
        ("--ipc container:x", "IpcMode", "container:x"),
        ("--uts host", "UTSMode", "host"),
        ("--cgroup-parent g", "CgroupParent", "g"),
        ("--security-opt no-new-privileges", "SecurityOpt", ["no-new-privileges"]),
        ("--group-add 5", "GroupAdd", ["5"]),
        ("--volumes-from a:ro", "VolumesFrom", ["a:ro"]),
        ("--add-host a:1.2.3.4", "ExtraHosts", ["a:1.2.3.4"]),
        ("--dns 1.1.1.1 --dns 2.2.2.2", "Dns", ["1.1.1.1", "2.2.2.2"]),
        ("--dns-search x", "DnsSearch", ["x"]),
        ("--dns-option ndots:1", "DnsOptions", ["ndots:1"]),
        ("-p 8080:80", "PortBindings", {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}),
        ("--mount type=tmpfs,target=/t", "Mounts", [{"Type": "tmpfs", "Target": "/t"}]),
    ],
)  # fmt: skip
def test_options_about_the_machine(words: str, field: str, value: object) -> None:
    assert host(*words.split()) == {field: value}


def test_options_about_the_container() -> None:
    made = body(*"-it --stop-signal INT --stop-timeout 3 --domainname d -h box -v /data --expose 7-8 -p 80 x".split())
    assert made["Tty"]
    assert (made["OpenStdin"], made["StdinOnce"], made["AttachStdin"]) == (True, True, True)
    assert (made["StopSignal"], made["StopTimeout"], made["Domainname"], made["Hostname"]) == ("INT", 3, "d", "box")
    assert made["Volumes"] == {"/data": {}}
    assert made["ExposedPorts"] == {"7/tcp": {}, "8/tcp": {}, "80/tcp": {}}
    assert "Binds" not in made["HostConfig"]


def test_health() -> None:
    made = body(*"--health-cmd true --health-interval 1s --health-retries 2 --health-start-period 1m x".split())
    assert made["Healthcheck"] == {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 10**9,
        "Retries": 2,
        "StartPeriod": 60 * 10**9,
    }
    assert body("--no-healthcheck", "x")["Healthcheck"] == {"Test": ["NONE"]}


def test_networks() -> None:
    def endpoints(*words: str) -> Any:
        return body(*words, "x").get("NetworkingConfig", {}).get("EndpointsConfig")

    assert endpoints("--network", "a") is None
    assert endpoints("--network", "a", "--network", "b") == {"a": {}, "b": {}}
    assert endpoints("--network", "a", "--ip", "10.0.0.2", "--mac-address", "02::1") == {
        "a": {"IPAMConfig": {"IPv4Address": "10.0.0.2"}, "MacAddress": "02::1"}
    }
    assert endpoints("--network", "name=a,alias=x,alias=y,ip=10.0.0.2,gw-priority=5") == {
        "a": {"Aliases": ["x", "y"], "IPAMConfig": {"IPv4Address": "10.0.0.2"}, "GwPriority": 5}
    }
    assert host("--network", "name=a,alias=x")["NetworkMode"] == "a"


def test_what_is_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=1\nB=2\n")
    (tmp_path / "labels").write_text("a=b\nc\n")
    (tmp_path / "profile").write_text('{ "defaultAction": "SCMP_ACT_ALLOW" }')
    made = body(*f"--env-file {tmp_path}/env -e B=3 --label-file {tmp_path}/labels -l a=z x".split())
    assert made["Env"] == ["A=1", "B=2", "B=3"]
    assert made["Labels"] == {"a": "z", "c": ""}
    options = host("--security-opt", f"seccomp={tmp_path}/profile", "--security-opt", "systempaths=unconfined")
    (option,) = options["SecurityOpt"]
    assert json.loads(option.removeprefix("seccomp=")) == {"defaultAction": "SCMP_ACT_ALLOW"}
    assert (options["MaskedPaths"], options["ReadonlyPaths"]) == ([], [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--rm --restart always x", "cannot specify both --restart and --rm"),
        ("-d -a stdout x", "--attach and --detach"),
        ("--no-healthcheck --health-cmd true x", "conflicts"),
        ("--network alias=x x", "network name is required"),
        ("--network name=a,nonsense=x x", "invalid field nonsense"),
        ("--network name=a,gw-priority=x x", "gw-priority"),
        ("--security-opt seccomp=/no/such/file x", "seccomp profile"),
        ("--env-file /no/such/file x", "/no/such/file"),
    ],
)
def test_options_that_do_not_fit(words: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        body(*words.split())


def test_update() -> None:
    args = parse("update -m 64m --restart no --pids-limit 5 x y".split())
    assert args.containers == ["x", "y"]
    assert update_body(args) == {
        "Memory": 64 << 20,
        "PidsLimit": 5,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    }
    assert not update_body(parse(["update", "x"]))
