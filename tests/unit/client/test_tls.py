"""An engine behind TLS: both sides prove who they are, and each direction ends by itself."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_containers.client import Client, EngineUnreachable
from pytest_containers.client.address import TLS, Address
from pytest_containers.client.tls import context_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANG = 30


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TLS:
    """One certificate for both sides, that signs itself."""
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", place / "key.pem", "-out", place / "cert.pem", "-subj", "/CN=engine",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return TLS(str(place / "cert.pem"), str(place / "cert.pem"), str(place / "key.pem"))


class Server:
    """Takes connections, one after the other, and answers each when its request, or its input, has ended."""

    def __init__(self, files: TLS) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.cert, files.key)
        self._context.load_verify_locations(files.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(HANG)
        self.port = self._listener.getsockname()[1]
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(HANG)
                try:
                    with self._context.wrap_socket(connection, server_side=True) as secure:
                        self._answer(secure)
                except OSError as error:
                    self.failures.append(str(error))

    @staticmethod
    def _answer(secure: ssl.SSLSocket) -> None:
        data = secure.recv(65536)
        if b"Upgrade" not in data:
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            secure.recv(1)
            return
        secure.sendall(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n")
        size = 0
        while piece := secure.recv(65536):  # until close_notify
            size += len(piece)
        secure.sendall(b"%d bytes" % size)  # the other direction still holds

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def server(files: TLS) -> Iterator[Server]:
    made = Server(files)
    yield made
    made.close()


def address(server: Server, tls: TLS) -> Address:
    return Address(f"tcp://127.0.0.1:{server.port}", host="127.0.0.1", port=server.port, tls=tls)


def test_requests_and_raw_connections(server: Server, files: TLS) -> None:
    with Client(address(server, files), HANG) as client:
        assert client.system.info() == {}
        client.close()
        with client.transport.raw("/exec/x/start", body={}, upgrade=True) as stream:
            assert stream.communicate(b"x" * 1_000_000) == (b"1000000 bytes", b"")
    assert server.failures == []


def test_who_is_not_who_he_says_is_refused(server: Server, files: TLS) -> None:
    with (
        Client(address(server, TLS(cert=files.cert, key=files.key)), HANG) as client,
        pytest.raises(
            EngineUnreachable, match=r"no engine answers at tcp.*certificate verify failed.*DOCKER_CERT_PATH"
        ),
    ):
        client.system.info()
    with Client(address(server, TLS(cert=files.cert, key=files.key, verify=False)), HANG) as client:
        assert client.system.info() == {}


def test_engine_that_wants_a_certificate_says_so(server: Server, files: TLS) -> None:
    with (
        Client(address(server, TLS(ca=files.ca)), HANG) as client,
        pytest.raises(EngineUnreachable, match=r"no engine answers at tcp.*certificate required"),
    ):
        client.system.info()


def test_engine_without_tls(files: TLS) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        where = Address(f"tcp://127.0.0.1:{port}", host="127.0.0.1", port=port, tls=files)
        with Client(where, HANG) as client, pytest.raises(EngineUnreachable, match="does it speak TLS"):
            client.system.info()
        thread.join()


def test_files_that_are_no_certificates(tmp_path: Path) -> None:
    bad = tmp_path / "ca.pem"
    bad.write_text("no certificate")
    with pytest.raises(EngineUnreachable, match=r"cannot use the files for TLS \(.*/ca\.pem\)"):
        context_of(TLS(ca=str(bad)))
