"""Raw connections: attach and exec in both directions, and answers that one waits for with ``select``.

Output is framed as Docker does it, unless the container has a terminal: one byte stream (1 stdout, 2 stderr), three
zero bytes, four bytes big-endian length, then the data.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import TYPE_CHECKING, Literal, Self

from pytest_containers.client._connection import open_socket
from pytest_containers.client.errors import EngineUnreachable, api_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_containers.client.address import Address

HEADER_SIZE = 8
READ_SIZE = 65536
HEAD_LIMIT = 65536
"""Bytes of an answer's status line and headers; an engine needs a few hundred."""
STDOUT: Literal[1] = 1
STDERR: Literal[2] = 2
FRAMED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"


class Demultiplexer:
    """Takes bytes in any pieces, gives ``(stream, data)``; ``data`` may be a part of a frame, never empty."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = 0
        self._left = 0

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield what the next bytes of the connection hold."""
        view = memoryview(piece)
        while view:
            if self._left:
                data = bytes(view[: self._left])
                self._left -= len(data)
                view = view[len(data) :]
                yield self._stream, data
                continue
            wanted = HEADER_SIZE - len(self._header)
            self._header += view[:wanted]
            view = view[wanted:]
            if len(self._header) == HEADER_SIZE:
                self._stream = self._header[0]
                self._left = int.from_bytes(self._header[4:], "big")
                self._header.clear()

    @property
    def is_complete(self) -> bool:
        """Whether the bytes so far end at the end of a frame."""
        return not self._left and not self._header


def demultiplex(pieces: Iterable[bytes], *, framed: bool = True) -> Iterator[tuple[int, bytes]]:
    """Yield ``(stream, data)`` from the pieces of a body; without frames (a terminal) all of it is stdout."""
    frames = Demultiplexer()
    for piece in pieces:
        if framed:
            yield from frames.feed(piece)
        elif piece:
            yield STDOUT, piece


class RawStream:
    """A connection after the head of an answer: nothing of the body is buffered, so ``select`` tells the truth."""

    def __init__(self, sock: socket.socket, status: int, headers: Mapping[str, str]) -> None:
        self.socket = sock
        self.status = status
        self.headers = headers
        self.framed: bool = headers.get("content-type", FRAMED).split(";")[0] != RAW

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the socket's descriptor, for select."""
        return self.socket.fileno()

    def write(self, data: bytes) -> None:
        """Send bytes to the program's standard input; BrokenPipeError when it is closed."""
        self.socket.sendall(data)

    def half_close(self) -> None:
        """End standard input; output still arrives."""
        with contextlib.suppress(OSError):  # the other side may be gone already
            self.socket.shutdown(socket.SHUT_WR)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield ``(stream, data)`` until the engine closes the connection."""
        return demultiplex(iter(self.read, b""), framed=self.framed)

    def read(self) -> bytes:
        """Return what is there, frames and all, waiting for the first byte; nothing at the end."""
        try:
            return self.socket.recv(READ_SIZE)
        except ConnectionResetError:
            return b""

    def communicate(self, stdin: bytes | None = None) -> tuple[bytes, bytes]:
        """Send all of ``stdin``, end it, and return what the program wrote: ``(stdout, stderr)``."""
        output: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
        if stdin:
            for stream, data in demultiplex(self._pump(memoryview(stdin)), framed=self.framed):
                output.setdefault(stream, []).append(data)
        else:
            self.half_close()
            for stream, data in self:
                output.setdefault(stream, []).append(data)
        return b"".join(output[STDOUT]), b"".join(output[STDERR])

    def _pump(self, rest: memoryview) -> Iterator[bytes]:
        """Write while reading: a program that answers before it has read all must not block us, nor we it."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLOUT)
        while True:
            for _, ready in poll.poll():
                if rest and ready & (select.POLLOUT | select.POLLERR | select.POLLHUP):
                    rest = self.write_some(rest)
                    if not rest:
                        self.half_close()
                        poll.modify(self.socket, select.POLLIN)
                if ready & (select.POLLIN | select.POLLERR | select.POLLHUP):
                    piece = self.read()
                    if not piece:
                        return
                    yield piece

    def write_some(self, rest: memoryview) -> memoryview:
        """Send as much as fits without waiting and return what is left."""
        try:
            return rest[self.socket.send(rest, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            return rest
        except (BrokenPipeError, ConnectionResetError):  # the program closed its input, which is its good right
            return rest[:0]

    def body(self) -> bytes:
        """Read the rest of an ordinary answer (chunked, with a length, or up to the end) and close the connection."""
        with self, self.socket.makefile("rb") as file:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                return _read_chunks(file)
            length = self.headers.get("content-length")
            return file.read(int(length) if length is not None else -1)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


def _read_chunks(file: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    reader: socket.SocketIO = file  # type: ignore[assignment]
    while size := int(reader.readline().split(b";")[0] or b"0", 16):
        parts.append(reader.read(size) or b"")
        reader.readline()
    return b"".join(parts)


def open_raw(
    address: Address, timeout: float | None, target: str, body: object, fields: Mapping[str, str]
) -> RawStream:
    """POST to ``target`` and return the connection behind the answer's head; raise what a bad status says."""
    data = body if isinstance(body, bytes) else b""
    lines = [f"POST {target} HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}"]
    lines += [f"{key}: {value}" for key, value in fields.items()]
    sock = open_socket(address, timeout)
    try:
        sock.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        status, headers = _read_head(sock)
    except OSError as error:
        sock.close()
        raise EngineUnreachable(f"the engine at {address.url} broke off POST {target}: {error}") from error
    except BaseException:
        sock.close()
        raise
    stream = RawStream(sock, status, headers)
    if status >= 400:
        from pytest_containers.client.http import error_message

        raise api_error(status, error_message(stream.body(), f"HTTP {status}"))
    return stream


def _read_head(sock: socket.socket) -> tuple[int, dict[str, str]]:
    """Read up to the empty line and not one byte more: look first, then take."""
    head = bytearray()
    while True:
        seen = sock.recv(READ_SIZE, socket.MSG_PEEK)
        if not seen or len(head) > HEAD_LIMIT:
            raise ConnectionResetError("the connection was closed before an answer came")
        end = (bytes(head) + seen).find(b"\r\n\r\n")
        head += sock.recv(len(seen) if end < 0 else end + 4 - len(head))
        if end >= 0:
            break
    status, *fields = bytes(head).decode("latin-1").split("\r\n")
    headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in fields) if key}
    try:
        return int(status.split(" ", 2)[1]), headers
    except (IndexError, ValueError):
        raise ConnectionResetError(f"this is not HTTP: {status[:80]!r}") from None
