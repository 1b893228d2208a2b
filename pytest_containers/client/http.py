"""A thin HTTP/1.1 client of a container engine: unix socket, TCP, TLS or ssh; keep-alive, streams, raw connections.

http.client is imported with the first request, so that a test run without containers does not pay for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import weakref
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote, urlencode

from pytest_containers.client.address import Address, parse_address
from pytest_containers.client.errors import EngineUnreachable, api_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPResponse
    from socket import socket

    from pytest_containers.client._connection import EngineConnection
    from pytest_containers.client.hijack import RawStream

    Query = Mapping[str, str | int | bool | list[str] | None]

DEFAULT_URL = "unix:///var/run/docker.sock"
API_VERSION = "v1.44"
"""The oldest version that every engine we talk to still speaks (Docker 29 refuses older ones)."""
READ_SIZE = 65536


class Response(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return the body's JSON value; None for an empty body."""
        return json.loads(self.body) if self.body.strip() else None


def segment(name: str) -> str:
    """Quote a name for use as one segment of a path, so that it cannot become another path."""
    return "%2E" * len(name) if name in {".", ".."} else quote(name, safe="")


def _target(path: str, query: Query | None) -> str:
    values: list[tuple[str, str]] = []
    for key, value in (query or {}).items():
        if value is None or value is False:
            continue
        if isinstance(value, list):
            values += [(key, item) for item in value]
        else:
            values.append((key, "1" if value is True else str(value)))
    return f"{path}?{urlencode(values)}" if values else path


def error_message(body: bytes, reason: str) -> str:
    """Return what an error answer says: its ``message``, else its text, else the status's reason."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip() or reason


def _close_all(idle: list[EngineConnection]) -> None:
    while idle:
        idle.pop().close()


class Transport:
    """Connections to one engine. Safe for many threads: each request takes an idle connection or makes one."""

    def __init__(self, base_url: str | Address | None = None, timeout: float | None = None) -> None:
        """Take the address (None: DOCKER_HOST or the default socket) and a limit in seconds for each read or write."""
        where = base_url or os.environ.get("DOCKER_HOST") or DEFAULT_URL
        self.address: Address = parse_address(where) if isinstance(where, str) else where
        self.timeout = timeout
        self._idle: list[EngineConnection] = []
        self._pid = os.getpid()
        self._finalizer = weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close the idle connections; the transport can still be used."""
        _close_all(self._idle)

    # -- whole answers

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a JSON body (None: no body) and return the answer; a status of 400 and above is raised."""
        from pytest_containers.client._connection import HTTPException

        target, data, fields = self._prepare(path, query, body, headers)
        connection = self._take()
        try:
            try:
                answer = self._exchange(connection, method, target, data, fields)
            except (HTTPException, ConnectionError):
                # An idle connection can be closed under our hands; asking again is safe where nothing is changed.
                if not connection.used or method not in {"GET", "HEAD"}:
                    raise
                connection.close()
                answer = self._exchange(connection, method, target, data, fields)
            content = answer.read()
        except (HTTPException, OSError) as error:
            connection.close()
            raise self._lost(method, path, error) from error
        except BaseException:
            connection.close()  # half an answer may be left in it
            raise
        connection.used = True
        self._idle.append(connection)
        if answer.status >= 400:
            raise api_error(answer.status, error_message(content, answer.reason))
        return Response(answer.status, content)

    # -- answers that come bit by bit

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Stream:
        """Send a request on a connection of its own and return the answer's body as a stream.

        ``body``: a binary file is sent as it is, anything else as JSON.
        """
        from pytest_containers.client._connection import EngineConnection, HTTPException

        target, data, fields = self._prepare(path, query, body, headers)
        connection = EngineConnection(self.address, self.timeout)
        connection.connect()
        sock = connection.sock  # http.client forgets it where the server will close the connection
        try:
            answer = self._exchange(connection, method, target, data, fields)
            if answer.status >= 400:
                raise api_error(answer.status, error_message(answer.read(), answer.reason))
        except (HTTPException, OSError) as error:
            connection.close()
            raise self._lost(method, path, error) from error
        except BaseException:
            connection.close()
            raise
        return Stream(self, connection, sock, answer, f"{method} {path}")

    def raw(self, path: str, *, query: Query | None = None, body: object = None, upgrade: bool = False) -> RawStream:
        """POST on a connection of its own, read no more than the answer's head, and return the connection.

        With ``upgrade`` the connection is asked for as a raw one in both directions (attach, exec).
        """
        from pytest_containers.client import hijack

        target, data, fields = self._prepare(path, query, body, None)
        if upgrade:
            fields |= {"Connection": "Upgrade", "Upgrade": "tcp"}
        return hijack.open_raw(self.address, self.timeout, target, data, fields)

    # -- inside

    @staticmethod
    def _prepare(
        path: str, query: Query | None, body: object, headers: Mapping[str, str] | None
    ) -> tuple[str, bytes | IO[bytes] | None, dict[str, str]]:
        prefix = "" if path.startswith("/x-") else f"/{API_VERSION}"
        fields = dict(headers or {})
        if body is None:
            return _target(prefix + path, query), None, fields
        if hasattr(body, "read"):
            fields.setdefault("Content-Type", "application/x-tar")
            return _target(prefix + path, query), body, fields  # pyright: ignore[reportReturnType]
        fields["Content-Type"] = "application/json"
        return _target(prefix + path, query), json.dumps(body).encode(), fields

    @staticmethod
    def _exchange(
        connection: EngineConnection, method: str, target: str, data: bytes | IO[bytes] | None, fields: dict[str, str]
    ) -> HTTPResponse:
        if method == "POST" and isinstance(data, bytes):
            connection.post(target, data, fields)
        else:
            connection.request(method, target, body=data, headers=fields)
        return connection.getresponse()

    def _take(self) -> EngineConnection:
        from pytest_containers.client._connection import EngineConnection

        if self._pid != os.getpid():  # after a fork the connections are the parent's
            _close_all(self._idle)
            self._pid = os.getpid()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return EngineConnection(self.address, self.timeout)
            if not connection.is_stale():
                return connection
            connection.close()

    def _lost(self, method: str, path: str, error: Exception) -> EngineUnreachable:
        if isinstance(error, ConnectionAbortedError):  # never reached: who stands between says why (client/bridged.py)
            return EngineUnreachable(f"no engine answers at {self.address.url}: {error}")
        reason = f"no answer within {self.timeout} s" if isinstance(error, TimeoutError) else str(error)
        return EngineUnreachable(f"the engine at {self.address.url} broke off {method} {path}: {reason}")


class Stream:
    """The body of an answer, as it arrives. Another thread may close it: the reader then sees its end."""

    def __init__(
        self, transport: Transport, connection: EngineConnection, sock: socket, answer: HTTPResponse, what: str
    ) -> None:
        self._transport = transport
        self._connection = connection
        self._socket = sock
        self._answer = answer
        self._what = what
        self._closed = False
        self._reading = False
        self.headers: Mapping[str, str] = dict(answer.getheaders())
        self.content_type: str = answer.getheader("Content-Type", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield pieces as they come; the stream is closed afterwards, in any case."""
        from pytest_containers.client._connection import HTTPException

        self._reading = True
        try:
            while not self._closed and (piece := self._answer.read1(READ_SIZE)):
                yield piece
        except (HTTPException, OSError, ValueError) as error:
            if not self._closed:
                raise EngineUnreachable(
                    f"the engine at {self._transport.address.url} broke off {self._what}: {error or 'connection lost'}"
                ) from error
        finally:
            self._release()

    def lines(self) -> Iterator[Any]:
        """Yield the JSON values of a stream with one per line; raise the error that one of them reports."""
        rest = b""
        for piece in self:
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                if line.strip():
                    yield _checked(json.loads(line))
        if rest.strip():
            yield _checked(json.loads(rest))

    def close(self) -> None:
        """End the stream; a thread that is reading it sees the end at once."""
        from socket import SHUT_RDWR

        if not self._closed:
            self._closed = True
            with contextlib.suppress(OSError):  # it may have ended by itself
                self._socket.shutdown(SHUT_RDWR)
        if not self._reading:  # else the reader releases it: http.client's objects are for one thread
            self._release()

    def _release(self) -> None:
        self._closed = True
        self._answer.close()
        self._connection.close()


def _checked(line: dict[str, Any]) -> dict[str, Any]:
    if "errorDetail" in line or "error" in line:
        detail: dict[str, Any] = line.get("errorDetail") or {}
        raise api_error(int(detail.get("code") or 500), str(detail.get("message") or line.get("error")))
    return line
