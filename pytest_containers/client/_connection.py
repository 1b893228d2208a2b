"""The two kinds of connection, as http.client's; apart, because only those who talk to an engine import http.client."""

from __future__ import annotations

import http.client
import select
import socket
from typing import TYPE_CHECKING, Any

from pytest_containers.client.errors import EngineUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.address import TLS, Address

HTTPException = http.client.HTTPException


class EngineConnection(http.client.HTTPConnection):
    """An HTTP connection over a unix socket or TCP; errors of connecting are for people."""

    def __init__(self, address: Address, timeout: float | None) -> None:
        super().__init__(address.host or "localhost", address.port or None, timeout=timeout)
        self._address = address
        self._held: list[bytes] | None = None
        self.used = False
        """Whether an answer came over it already: then the server may have closed it meanwhile."""

    def connect(self) -> None:
        """Connect, or raise EngineUnreachable."""
        self.sock: socket.socket = open_socket(self._address, self.timeout)

    def post(self, target: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a request with a short body in one piece, so that the engine wakes once: http.client would send two."""
        self.putrequest("POST", target)
        for key, value in headers.items():
            self.putheader(key, value)
        self.putheader("Content-Length", str(len(body)))
        self._held = []
        try:
            self.endheaders(body)
            data = b"".join(self._held)
        finally:
            self._held = None
        self.send(data)

    def send(self, data: Any) -> None:
        """Send, or keep for the one piece that ``post`` sends."""
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)

    def is_stale(self) -> bool:
        """Whether the idle connection was closed by the server (or holds bytes that no request asked for)."""
        if self.sock is None:  # pyright: ignore[reportUnnecessaryComparison]  # http.client sets None, typeshed forgot
            return False  # http.client connects on the next request
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))


def open_socket(address: Address, timeout: float | None) -> socket.socket:
    """Return a connected stream socket, or raise EngineUnreachable with the reason and what to do."""
    if address.ssh:
        from pytest_containers.client import ssh

        return ssh.connect(address, timeout)
    try:
        if address.path:
            return _connected(address.path, timeout)
        sock = socket.create_connection((address.host, address.port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _by_tls(sock, address, address.tls, timeout) if address.tls else sock
    except OSError as error:
        message = f"no engine answers at {address.url}: {error.strerror or error}"
        raise EngineUnreachable(f"{message} ({_advice(address, error)})") from error


def _connected(path: str, timeout: float | None) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _by_tls(sock: socket.socket, address: Address, files: TLS, timeout: float | None) -> socket.socket:
    from pytest_containers.client import tls

    try:
        return tls.connect(sock, address, files, timeout)
    except BaseException:
        sock.close()
        raise


def _advice(address: Address, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "the socket belongs to another user"
    if address.path and isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"start one with: pytest-containers serve --socket {address.path}"
    if address.tls:
        return "is it running, does it speak TLS, and are DOCKER_HOST and DOCKER_CERT_PATH right?"
    return "is it running, and is DOCKER_HOST right?"
