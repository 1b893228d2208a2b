"""wait.http, with real servers on loopback."""

from __future__ import annotations

import re
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from pytest_containers import wait
from pytest_containers.errors import ContainerError
from pytest_containers.wait.base import Ended, TimedOut, run
from tests.target import last_seen

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.target import Target


class Handler(BaseHTTPRequestHandler):
    """Answers with what the server was told, in turn; the last answer stays."""

    def answer(self) -> None:
        server: Any = self.server
        length = int(self.headers.get("Content-Length", 0))
        server.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        status, body = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_HEAD = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    answers: list[tuple[int, bytes]]
    requests: list[Any]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        made.answers, made.requests = [(200, b"")], []
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_first_answer_that_fits(target: Target, server: Server) -> None:
    server.answers = [(503, b""), (500, b""), (204, b""), (200, b"")]
    run(wait.http("/health?full=1", port=server.server_port), target, 5)
    assert [(method, path) for method, path, _, _ in server.requests] == [("GET", "/health?full=1")] * 3
    assert server.requests[0][2]["Host"] == f"127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("status", "fits"),
    [(404, True), (200, False), (range(400, 500), True), ([200, 404], True), (lambda code: code == 404, True)],
    ids=str,
)
def test_status(target: Target, server: Server, status: Any, fits: bool) -> None:
    server.answers = [(404, b"")]
    wanted = wait.http(port=server.server_port, status=status)
    if fits:
        run(wanted, target, 5)
        return
    assert last_seen(wanted, target) == "answered 404 Not Found"


def test_request_is_as_it_was_asked_for(target: Target, server: Server) -> None:
    wanted = wait.http(
        "/x", port=server.server_port, method="post", headers={"X-A": "b"}, data="text", auth=("me", "a:b"),
        server_name="app.test",
    )  # fmt: skip
    run(wanted, target, 5)
    method, path, headers, body = server.requests[0]
    assert (method, path, body) == ("POST", "/x", b"text")
    assert headers["X-A"] == "b"
    assert headers["Authorization"] == "Basic bWU6YTpi"
    assert headers["Host"] == f"app.test:{server.server_port}"
    assert "a:b" not in repr(str(wanted))


@pytest.mark.parametrize("body", ["b.c", re.compile(r"^b\.c$", re.MULTILINE)], ids=["text", "regex"])
def test_body(target: Target, server: Server, body: Any) -> None:
    server.answers = [(200, b"bac"), (200, b"a\nb.c\n")]
    run(wait.http(port=server.server_port, body=body), target, 5)
    assert len(server.requests) == 2
    server.answers = [(200, b"other")]
    seen = last_seen(wait.http(port=server.server_port, body=body), target)
    assert re.fullmatch("answered 200 OK without .* in its body, which begins 'other'", seen)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    made = tmp_path / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", made, "-out", tmp_path / "cert.pem", "-subj", "/CN=app.test", "-addext",
         "subjectAltName=DNS:app.test"],
        check=True, capture_output=True,
    )  # fmt: skip
    made.write_bytes(made.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    return made


def test_tls(target: Target, server: Server, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # clients that do not trust it
    port, ca = server.server_port, certificate.with_name("cert.pem")
    run(wait.http(port=port, ca=ca, server_name="app.test"), target, 5)
    run(wait.http(port=port, insecure=True), target, 5)
    for wanted in (wait.http(port=port, tls=True), wait.http(port=port, ca=ca)):
        assert "certificate verify failed" in last_seen(wanted, target)
    assert last_seen(wait.http(port=port), target)


def test_ca_that_is_none(target: Target, tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    with pytest.raises(ContainerError, match=r"cannot use ca=.*x.pem"):
        run(wait.http(ca=tmp_path / "x.pem"), target, 5)


def test_nobody_answers(target: Target, unused: int) -> None:
    assert last_seen(wait.http(port=unused), target) == f"connection refused at 127.0.0.1:{unused}"


def test_server_that_takes_connections_and_says_nothing_ends_with_the_wait(
    target: Target, listener: socket.socket
) -> None:
    before = threading.active_count()
    begin = time.monotonic()
    with pytest.raises(TimedOut, match="no answer yet"):
        run(wait.http(port=listener.getsockname()[1]), target, 0.1)
    timer = threading.Timer(0.1, target.end)
    timer.start()
    with pytest.raises(Ended):
        run(wait.http(port=listener.getsockname()[1]), target, 50)
    timer.join()
    assert time.monotonic() - begin < 5
    assert threading.active_count() == before


def test_what_is_not_http(target: Target, listener: socket.socket) -> None:
    def talk() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"SSH-2.0-x\r\n\r\n")
            while connection.recv(1024):
                pass

    thread = threading.Thread(target=talk)
    thread.start()
    seen = last_seen(wait.http(port=listener.getsockname()[1]), target)
    assert seen == f"BadStatusLine: SSH-2.0-x at 127.0.0.1:{listener.getsockname()[1]}"
    thread.join()


def test_answer_without_end_is_looked_at_while_it_comes(target: Target, listener: socket.socket) -> None:
    def stream() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nevent: ready\n")
            connection.recv(1)  # until the other side closes

    thread = threading.Thread(target=stream)
    thread.start()
    run(wait.http(port=listener.getsockname()[1], body="ready"), target, 5)
    thread.join()
