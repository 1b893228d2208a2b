"""Files of containers: what is asked, and how the answers are read."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pytest_containers.client import Client, NotFoundError, ServerError
from pytest_containers.client.archive import STAT_HEADER, parse_stat

STAT = {"name": "f", "size": 3, "mode": 420, "mtime": "2026-01-02T03:04:05Z", "linkTarget": ""}


def answering(status: str, head: str = "", body: bytes = b"") -> Any:
    def script(connection: Any, _request: bytes) -> bool:
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body)
        return False

    return script


def stat_line() -> str:
    return f"{STAT_HEADER}: {base64.b64encode(json.dumps(STAT).encode()).decode()}\r\n"


def test_the_status_of_a_path_comes_in_a_header(wire: Any) -> None:
    wire.script = answering("200 OK", stat_line())
    with Client(wire.url) as client:
        assert client.containers.stat_path("c", "/a b") == STAT
    assert wire.requests[0].startswith(b"HEAD /v1.44/containers/c/archive?path=%2Fa+b HTTP/1.1\r\n")


def test_a_path_that_is_not_there_is_named_though_the_answer_has_no_body(wire: Any) -> None:
    wire.script = answering("404 Not Found")
    with Client(wire.url) as client, pytest.raises(NotFoundError, match="Could not find the file /x in container c"):
        client.containers.stat_path("c", "/x")


def test_an_archive_comes_with_its_status(wire: Any) -> None:
    wire.script = answering("200 OK", stat_line() + "Content-Type: application/x-tar\r\n", b"tar")
    with Client(wire.url) as client:
        found = client.containers.get_archive("c", "/f")
        with found.stream:
            assert (found.stat, b"".join(found.stream)) == (STAT, b"tar")


@pytest.mark.parametrize("header", ["", "?", base64.b64encode(b"[]").decode(), base64.b64encode(b"{").decode()])
def test_a_header_that_says_nothing_is_the_engines_fault(header: str) -> None:
    with pytest.raises(ServerError, match=STAT_HEADER):
        parse_stat(header)


def test_an_archive_is_sent_as_it_is(wire: Any) -> None:
    wire.script = answering("200 OK")
    with Client(wire.url) as client:
        client.containers.put_archive("c", "/", b"tar", no_overwrite_dir_non_dir=True)
    head = wire.requests[0]
    assert head.startswith(b"PUT /v1.44/containers/c/archive?path=%2F&noOverwriteDirNonDir=1 HTTP/1.1\r\n")
    assert b"application/x-tar" in head


def test_a_commit_says_pause_in_either_case_and_each_change(wire: Any) -> None:
    wire.script = answering("201 Created", body=b'{"Id": "sha256:1"}')
    with Client(wire.url) as client:
        assert client.containers.commit("c", repository="r", pause=False, changes=["CMD a", "USER b"]) == "sha256:1"
    assert wire.requests[0].startswith(b"POST /v1.44/commit?container=c&repo=r&pause=0&changes=CMD+a&changes=USER+b ")


def test_no_changes_are_an_empty_list(wire: Any) -> None:
    wire.script = answering("200 OK", body=b"null")
    with Client(wire.url) as client:
        assert client.containers.changes("c") == []
