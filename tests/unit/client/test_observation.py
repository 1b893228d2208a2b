"""Stats, processes, events: what is asked, and how the answers are read."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_containers.client import APIError, Client


def answering(status: str, body: bytes) -> Any:
    def script(connection: Any, _request: bytes) -> bool:
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return False

    return script


def asked(wire: Any) -> bytes:
    return wire.requests[0].split(b"\r\n")[0]


def test_one_sample(wire: Any) -> None:
    wire.script = answering("200 OK", b'{"pids_stats":{"current":3}}')
    with Client(wire.url) as client:
        assert client.containers.stats("c", one_shot=True)["pids_stats"] == {"current": 3}
    assert asked(wire) == b"GET /v1.44/containers/c/stats?stream=false&one-shot=1 HTTP/1.1"


def test_a_stream_of_samples_ends_with_the_answer(wire: Any) -> None:
    wire.script = answering("200 OK", b'{"read":"a"}\r\n{"read":"b"}\r\n')
    with Client(wire.url) as client, client.containers.stats_stream("c") as stream:
        assert [sample["read"] for sample in stream] == ["a", "b"]


def test_top(wire: Any) -> None:
    wire.script = answering("200 OK", b'{"Titles":["PID"],"Processes":[["7"]]}')
    with Client(wire.url) as client:
        assert client.containers.top("c", "-o pid")["Processes"] == [["7"]]
    assert asked(wire) == b"GET /v1.44/containers/c/top?ps_args=-o+pid HTTP/1.1"


def test_events(wire: Any) -> None:
    wire.script = answering("200 OK", b'{"Type":"container","Action":"die"}\n')
    with (
        Client(wire.url) as client,
        client.system.events(since=0, until=5.5, filters={"type": ["container"]}) as stream,
    ):
        assert [event["Action"] for event in stream] == ["die"]
    path = b"/v1.44/events?since=0&until=5.5&filters=%7B%22type%22%3A+%5B%22container%22%5D%7D"
    assert asked(wire) == b"GET " + path + b" HTTP/1.1"


def test_df_of_some_kinds(wire: Any) -> None:
    wire.script = answering("200 OK", b'{"Volumes":[]}')
    with Client(wire.url) as client:
        assert client.system.df(["volume", "image"]) == {"Volumes": []}
    assert asked(wire) == b"GET /v1.44/system/df?type=volume&type=image HTTP/1.1"


def test_login_refused(wire: Any) -> None:
    wire.script = answering("401 Unauthorized", b'{"message":"no"}')
    with Client(wire.url) as client, pytest.raises(APIError, match="no"):
        client.system.login("a", "b", "registry:5000")
    assert wire.requests[0].endswith(b'{"username": "a", "password": "b", "serveraddress": "registry:5000"}')
