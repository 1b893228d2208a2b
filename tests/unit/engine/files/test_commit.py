"""How the configuration of a committed image comes together."""

from __future__ import annotations

from typing import Any

import pytest

from container_runtime.engine.files.commit import merge


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {"Cmd": ["a"], "Entrypoint": ["e"]}, {"Cmd": ["a"], "Entrypoint": ["e"]}),
        ({"Cmd": ["b"]}, {"Cmd": ["a"], "Entrypoint": ["e"]}, {"Cmd": ["b"], "Entrypoint": ["e"]}),
        ({"Entrypoint": ["f"]}, {"Cmd": ["a"], "Entrypoint": ["e"]}, {"Entrypoint": ["f"]}),
        ({"Entrypoint": []}, {"Cmd": ["a"], "Entrypoint": ["e"]}, {"Cmd": ["a"]}),
        ({"Env": ["A=1"]}, {"Env": ["A=2", "B=3"]}, {"Env": ["A=1", "B=3"]}),
        ({"Labels": {"a": "1"}}, {"Labels": {"a": "2", "b": "3"}}, {"Labels": {"a": "1", "b": "3"}}),
        ({"User": ""}, {"User": "app", "WorkingDir": "/w"}, {"User": "app", "WorkingDir": "/w"}),
        ({"Hostname": "x", "Tty": True}, {"Image": "y"}, {}),
        (
            {"Healthcheck": {"Test": ["CMD", "x"], "Interval": 0}},
            {"Healthcheck": {"Test": ["NONE"], "Interval": 5}},
            {"Healthcheck": {"Test": ["CMD", "x"], "Interval": 5}},
        ),
        (
            {"ExposedPorts": {"1/tcp": {}}},
            {"ExposedPorts": {"2/tcp": {}}},
            {"ExposedPorts": {"2/tcp": {}, "1/tcp": {}}},
        ),
    ],
)
def test_the_first_says_and_the_second_completes(
    first: dict[str, Any], second: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merge(first, second) == expected
