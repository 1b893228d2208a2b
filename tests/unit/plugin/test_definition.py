import dataclasses

import pytest

from pytest_containers import ContainerSpec, Limits, wait
from pytest_containers.definition import create_body, split


def body(spec: ContainerSpec, *, publish: bool = False) -> object:
    return create_body(spec, {"run": "r"}, ["fixture"], publish=publish)


def test_smallest() -> None:
    assert body(ContainerSpec("redis:7")) == {
        "Image": "redis:7",
        "Labels": {"run": "r"},
        "HostConfig": {"NetworkMode": "bridge"},
    }


def test_everything() -> None:
    spec = ContainerSpec(
        "host",
        "sh -c 'echo a b'",
        entrypoint=["/entry"],
        network="backend",
        aliases=["other"],
        env={"A": "1", "B": ""},
        limits=Limits(pids=5),
        user="1:2",
        workdir="/w",
        hostname="h",
        tmpfs=["/t"],
        binds={"/a": "/b:ro"},
        labels={"x": "y"},
    )
    assert body(spec) == {
        "Image": "host",
        "Cmd": ["sh", "-c", "echo a b"],
        "Entrypoint": ["/entry"],
        "Env": ["A=1", "B="],
        "User": "1:2",
        "WorkingDir": "/w",
        "Hostname": "h",
        "Labels": {"x": "y", "run": "r"},
        "HostConfig": {"NetworkMode": "backend", "PidsLimit": 5, "Binds": ["/a:/b:ro"], "Tmpfs": {"/t": ""}},
        "NetworkingConfig": {"EndpointsConfig": {"backend": {"Aliases": ["fixture", "other"]}}},
    }


def test_ports_are_named_and_published_where_there_are_no_addresses() -> None:
    spec = ContainerSpec("x", wait=wait.port(80) & (wait.log("a") | wait.port(81)), ports=[90])
    made = create_body(spec, {}, [], publish=True)
    assert made.get("ExposedPorts") == {"80/tcp": {}, "81/tcp": {}, "90/tcp": {}}
    assert made.get("HostConfig", {}).get("PublishAllPorts") is True
    reached = create_body(spec, {}, [], publish=False)
    assert reached.get("ExposedPorts") == made.get("ExposedPorts")
    assert "PublishAllPorts" not in reached.get("HostConfig", {})


def test_it_is_plain_frozen_data() -> None:
    spec = ContainerSpec("x", env={"A": "1"})
    assert spec == ContainerSpec("x", env={"A": "1"})
    assert dataclasses.replace(spec, image="y").image == "y"
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.image = "y"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image": ""}, "image must be a non-empty string, not ''"),
        ({"command": []}, "command is empty"),
        ({"command": "  "}, "command is empty"),
        ({"command": "a 'b"}, "command .* cannot be split into words"),
        ({"command": ["a", 1]}, "command must be a list of strings, but holds 1"),
        ({"command": 5}, "command must be a list of strings, not 5"),
        ({"env": {"A": 1}}, "env must map strings to strings, but holds 'A': 1"),
        ({"aliases": "one"}, "aliases must be a list of strings, not 'one'"),
        ({"ports": [0]}, "ports must be numbers from 1 to 65535, but hold 0"),
        ({"wait": "ready"}, "wait must be one of pytest_containers.wait"),
        ({"limits": {"memory": "64m"}}, "limits must be Limits"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"network": 5}, "network must be a Network"),
        ({"user": 5}, "user must be a non-empty string"),
    ],
)
def test_bad_values_are_named(arguments: dict[str, object], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        ContainerSpec(**({"image": "x"} | arguments))  # pyright: ignore[reportArgumentType]


def test_words_of_a_command() -> None:
    assert split("a 'b c' d") == split(("a", "b c", "d")) == ["a", "b c", "d"]
