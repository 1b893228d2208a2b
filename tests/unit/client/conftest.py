"""A server that says exactly the bytes a test wants to be said, on a real socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Script = Callable[[socket.socket, bytes], bool]
"""Answers one request; returns whether the connection stays open for the next."""


class Wire:
    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.requests: list[bytes] = []
        self.connections = 0
        self.script: Script = lambda _connection, _request: False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while request := self._request(connection):
                self.requests.append(request)
                if not self.script(connection, request):
                    return

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                piece = connection.recv(65536)
                if not piece:
                    return b""
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    while len(body) < int(line.partition(b":")[2]):
                        body += connection.recv(65536)
                if (
                    line == b"transfer-encoding: chunked"
                ):  # answered before its end, the client would find a closed pipe
                    while not body.endswith(b"0\r\n\r\n"):
                        body += connection.recv(65536)
        except OSError:
            return b""
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for connection in self._open:
            with contextlib.suppress(OSError):  # its thread may have closed it just now
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    server = Wire(tmp_path / "docker.sock")
    yield server
    server.close()
