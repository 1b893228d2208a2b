"""Requests, keep-alive, streams and errors, byte for byte."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_containers import client as client_package
from pytest_containers.client import APIError, Client, ConflictError, EngineUnreachable, NotFoundError, ServerError
from pytest_containers.client.http import segment
from pytest_containers.client.images import split_reference

if TYPE_CHECKING:
    from pathlib import Path


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def always(data: bytes, *, keep: bool) -> Any:
    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(data)
        return keep

    return script


def test_a_connection_is_kept_and_used_again(wire: Any) -> None:
    wire.script = always(answer(b'{"Version": "1"}'), keep=True)
    with Client(wire.url) as client:
        for _ in range(3):
            assert client.system.version() == {"Version": "1"}
    assert wire.connections == 1
    assert wire.requests[0].startswith(b"GET /v1.44/version HTTP/1.1\r\n")


def test_an_idle_connection_that_the_server_closed_is_replaced(wire: Any) -> None:
    closed = threading.Event()

    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(answer(b""))
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()
        return False

    wire.script = script
    with Client(wire.url) as client:
        client.containers.start("x")
        assert closed.wait(10)
        client.containers.start("x")
    assert wire.connections == 2


def test_threads_do_not_share_a_connection_at_the_same_time(wire: Any) -> None:
    both = threading.Barrier(2, timeout=10)

    def script(connection: socket.socket, _request: bytes) -> bool:
        both.wait()
        connection.sendall(answer(b"{}"))
        return True

    wire.script = script
    with Client(wire.url) as client:
        threads = [threading.Thread(target=client.system.info) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wire.connections == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("404 Not Found", NotFoundError),
        ("409 Conflict", ConflictError),
        ("500 Oops", ServerError),
        ("403 No", APIError),
    ],
)
def test_an_error_has_the_engines_words_and_its_class(wire: Any, status: str, kind: type[APIError]) -> None:
    wire.script = always(answer(b'{"message": "No such container: x"}', status), keep=True)
    with Client(wire.url) as client, pytest.raises(APIError, match=r"^No such container: x$") as caught:
        client.containers.inspect("x")
    assert type(caught.value) is kind
    assert caught.value.status == int(status[:3])


def test_an_error_without_json_is_told_as_it_is(wire: Any) -> None:
    wire.script = always(answer(b"bad gateway\n", "502 Bad Gateway"), keep=True)
    with Client(wire.url) as client, pytest.raises(ServerError, match=r"^bad gateway$"):
        client.system.info()


def test_not_modified_is_no_error(wire: Any) -> None:
    wire.script = always(b"HTTP/1.1 304 Not Modified\r\n\r\n", keep=True)
    with Client(wire.url) as client:
        client.containers.stop("x", 3)
    assert b"POST /v1.44/containers/x/stop?t=3 " in wire.requests[0]


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"SSH-2.0-dropbear\r\n\r\n"])
def test_an_engine_that_breaks_off_is_one_clear_error(wire: Any, said: bytes) -> None:
    wire.script = always(said, keep=False)
    with Client(wire.url) as client:
        with pytest.raises(EngineUnreachable, match="broke off POST /containers/create"):
            client.containers.create({"Image": "host"})
        with pytest.raises(EngineUnreachable):
            client.containers.wait("x")


def test_the_address_of_nobody(tmp_path: Path) -> None:
    with (
        Client(f"unix://{tmp_path}/none") as client,
        pytest.raises(EngineUnreachable, match=r"none: No such file .*start"),
    ):
        client.system.ping()


def test_docker_host_names_the_engine(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.script = always(answer(b"OK"), keep=True)
    monkeypatch.setenv("DOCKER_HOST", wire.url)
    with Client() as client:
        client.system.ping()
        assert client.url == wire.url


@pytest.mark.parametrize("name", ["a/b", "..", "a?b", "a#b", "a b", "é"])
def test_a_name_cannot_become_another_path(name: str) -> None:
    assert not set(segment(name)) & set("/?# ")
    assert segment(name) not in {".", ".."}


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("redis", ("redis", "latest")),
        ("redis:7", ("redis", "7")),
        ("127.0.0.1:5000/a/b", ("127.0.0.1:5000/a/b", "latest")),
        ("127.0.0.1:5000/a/b:c", ("127.0.0.1:5000/a/b", "c")),
        ("a@sha256:00", ("a", "sha256:00")),
    ],
)
def test_references_are_split_at_the_right_colon(reference: str, parts: tuple[str, str]) -> None:
    assert split_reference(reference) == parts


def test_a_pull_reports_its_progress_and_then_its_error(wire: Any) -> None:
    lines = (
        b'{"status": "one"}\r\n{"status": "two"}\n{"errorDetail": {"message": "manifest unknown"}, "error": "x"}\r\n'
    )
    chunks = [lines[:25], lines[25:30], lines[30:]]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    wire.script = always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, keep=True)
    seen: list[Any] = []
    with Client(wire.url) as client, pytest.raises(ServerError, match=r"^manifest unknown$"):
        client.images.pull("127.0.0.1:5000/x:7", seen.append)
    assert [step["status"] for step in seen] == ["one", "two"]
    assert b"/images/create?fromImage=127.0.0.1%3A5000%2Fx&tag=7 " in wire.requests[0]


def test_a_followed_log_ends_when_another_thread_closes_it(wire: Any) -> None:
    frame = b"\x01\0\0\0\0\0\0\x02hi"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire.script = always(head + b"%x\r\n%b\r\n" % (len(frame), frame), keep=True)
    with Client(wire.url) as client:
        stream = client.containers.follow("x")
        pieces = iter(stream)
        assert next(pieces) == (1, b"hi")
        closer = threading.Timer(0.05, stream.close)
        closer.start()
        assert list(pieces) == []
        closer.join()


def test_a_log_that_the_engine_breaks_off_is_an_error(wire: Any) -> None:
    wire.script = always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", keep=False)
    with Client(wire.url) as client, pytest.raises(EngineUnreachable, match="broke off GET"):
        client.containers.logs("x")


def test_importing_it_is_cheap_until_it_is_used() -> None:
    code = f"import sys; import {client_package.__name__} as c; c.Client('unix:///x'); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                         capture_output=True, text=True, check=True)  # fmt: skip
    assert not {"http.client", "json", "ssl", "email", "socket"} & set(ran.stdout.split())
