"""HTTP/1.1 over the listening socket: h11 for the protocol, asyncio for the bytes.

A connection is served one request at a time, as HTTP/1.1 asks. Requests are matched against one table (``routes``);
errors become answers in one place (``status``).
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import h11

from container_runtime import __version__
from container_runtime.api import hijack
from container_runtime.api.hijack import RawConnection
from container_runtime.api.status import status_of
from container_runtime.errors import EngineError, InvalidParameter, NotFound, NotModified

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from container_runtime.api.routes import Router
    from container_runtime.engine.core import Engine

API_VERSION = "1.51"
MIN_API_VERSION = "1.24"
BODY_LIMIT = 16 << 20  # bytes of a JSON body
_HEADER_LIMIT = 64 << 10  # bytes of request line and headers
_QUERY_LIMIT = 1000  # names in a query
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_CHUNK = 64 << 10
BACKLOG = 1024
"""Clients that may be waiting to be accepted: a further one is told EAGAIN at once, for it is a unix socket."""
_COMMON = [
    (b"Api-Version", API_VERSION.encode()),
    (b"Docker-Experimental", b"false"),
    (b"Ostype", b"linux"),
    (b"Server", f"pytest-containers/{__version__} (linux)".encode()),
]


class Null:
    """As a value of an answer, JSON's null; None is no body."""


def _null(value: object) -> None:
    if not isinstance(value, Null):
        raise TypeError(f"{type(value).__name__} in an answer")


class Gone(Exception):
    """The client has gone."""


class Request:
    """One request, and the means to answer it."""

    def __init__(self, connection: Connection, event: h11.Request) -> None:
        """``event``: h11's, headers already checked."""
        self._connection = connection
        self.engine = connection.engine
        self.method = event.method.decode("ascii")
        target = event.target.decode("ascii", "replace")
        self.path, _, query = target.partition("?")
        self.headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
        self._text = query
        self._values: dict[str, list[str]] = {}
        self.query: dict[str, str] = {}
        self.parameters: dict[str, str] = {}
        self.answered = False

    # --- the question ---------------------------------------------------------------------------------------------

    def read_query(self) -> None:
        """Take apart what stands behind the question mark.

        Raises:
            InvalidParameter: it is malformed, by the rules of Go's net/url, or has too much in it.
        """
        if ";" in self._text or _BAD_ESCAPE.search(self._text):
            raise InvalidParameter("malformed query: it has a semicolon or an incomplete % escape in it")
        try:
            self._values = parse_qs(self._text, keep_blank_values=True, max_num_fields=_QUERY_LIMIT)
        except ValueError as error:
            raise InvalidParameter(f"malformed query: {error}") from None
        self.query = {name: values[-1] for name, values in self._values.items()}

    def values(self, name: str) -> list[str]:
        """All values of a parameter of the query that may be there several times."""
        return self._values.get(name, [])

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        while True:
            event = await self._connection.next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                return

    async def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one where there is none.

        Raises:
            InvalidParameter: too large, or no JSON object.
        """
        parts: list[bytes] = []
        size = 0
        async for data in self.body():
            size += len(data)
            if size > BODY_LIMIT:
                raise InvalidParameter(f"request body too large: more than {BODY_LIMIT} bytes")
            parts.append(data)
        if not size:
            return {}
        kind = self.headers.get("content-type", "")
        if kind and kind.partition(";")[0].strip().lower() != "application/json":
            raise InvalidParameter(f"unsupported Content-Type header ({kind}): must be 'application/json'")
        try:
            value: Any = json.loads(b"".join(parts))
        except (ValueError, RecursionError) as error:
            raise InvalidParameter(f"invalid JSON in the request body: {error}") from None
        if not isinstance(value, dict):
            raise InvalidParameter("invalid JSON in the request body: an object is expected")
        return value  # pyright: ignore[reportUnknownVariableType]

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean of the query, in Docker's forms."""
        text = self.query.get(name)
        return default if text is None else text.lower() not in {"", "0", "no", "false", "none"}

    def number(self, name: str) -> int | None:
        """A whole number of the query.

        Raises:
            InvalidParameter: it is none.
        """
        text = self.query.get(name)
        if text is None or not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise InvalidParameter(f"invalid value {text!r} for {name}: a whole number is expected") from None

    @property
    def api_version(self) -> tuple[int, int]:
        """The version of the API that the path asks for, else ours."""
        text = self.path.removeprefix("/v").partition("/")[0] if self.path.startswith("/v1.") else API_VERSION
        major, _, minor = text.partition(".")
        return int(major), int(minor)

    def size(self) -> tuple[int, int]:
        """Rows and columns of a terminal, as the kernel takes them: their lower 16 bits.

        Raises:
            InvalidParameter: not numbers (moby, httputils.Uint32Value).
        """
        found: list[int] = []
        for key, name in (("h", "height"), ("w", "width")):
            text = self.query.get(key, "")
            if not re.fullmatch(r"[+-]?[0-9]+", text):
                raise InvalidParameter(f'invalid resize {name} "{text}": invalid syntax')
            if not 0 <= int(text[:12]) < 1 << 32:
                raise InvalidParameter(f'invalid resize {name} "{text}": value out of range')
            found.append(int(text) & 0xFFFF)
        return found[0], found[1]

    # --- the answer -----------------------------------------------------------------------------------------------

    async def answer(self, status: int, value: object = None, extra: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """Answer with JSON, or without a body; ``extra``: further headers."""
        body = b"" if value is None else json.dumps(value, separators=(",", ":"), default=_null).encode() + b"\n"
        headers = [*_COMMON, *extra]
        if status not in {204, 304}:
            headers.append((b"Content-Length", str(len(body)).encode()))
        if body:
            headers.append((b"Content-Type", b"application/json"))
        await self._finish(status, headers, body)

    async def answer_text(self, text: str, extra: list[tuple[bytes, bytes]]) -> None:
        """Answer 200 with plain text."""
        body = text.encode()
        headers = [*_COMMON, (b"Content-Type", b"text/plain; charset=utf-8"), *extra]
        headers.append((b"Content-Length", str(len(body)).encode()))
        await self._finish(200, headers, b"" if self.method == "HEAD" else body)

    async def _finish(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.answered = True
        pieces = [self._connection.pack(h11.Response(status_code=status, headers=headers))]
        if body and self.method != "HEAD":
            pieces.append(self._connection.pack(h11.Data(data=body)))
        pieces.append(self._connection.pack(h11.EndOfMessage()))
        await self._connection.write(b"".join(pieces))

    async def begin_stream(
        self, content_type: str, status: int = 200, extra: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """Send the headers of an answer of unknown length; ``extra``: further ones."""
        self.answered = True
        headers = [*_COMMON, *extra, (b"Content-Type", content_type.encode()), (b"Transfer-Encoding", b"chunked")]
        await self._connection.write(self._connection.pack(h11.Response(status_code=status, headers=headers)))

    async def send(self, data: bytes) -> None:
        """One piece of a streamed answer; returns when the client has taken enough of what was sent."""
        await self._connection.write(self._connection.pack(h11.Data(data=data)))

    async def send_line(self, value: object) -> None:
        """One JSON line of a streamed answer."""
        await self.send(json.dumps(value, separators=(",", ":")).encode() + b"\r\n")

    async def end_stream(self) -> None:
        """The end of a streamed answer."""
        await self._connection.write(self._connection.pack(h11.EndOfMessage()))

    async def hijack(self, *, multiplexed: bool) -> RawConnection:
        """Take the connection out of HTTP, as Docker's attach and exec do."""
        upgrade = "upgrade" in self.headers
        return await self.hijack_with(hijack.head(self.api_version, _COMMON, upgrade=upgrade, multiplexed=multiplexed))

    async def hijack_with(self, answer: bytes) -> RawConnection:
        """The same with an answer of one's own."""
        self.answered = True
        return await self._connection.hijack(answer)

    async def disconnected(self) -> None:
        """Return when the client has gone: for answers that may wait for ever."""
        await self._connection.watch()


class Connection:
    """One client's connection."""

    def __init__(
        self, engine: Engine, router: Router, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Nothing is read yet."""
        self.engine = engine
        self._router = router
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEADER_LIMIT)
        self._hijacked = False

    async def serve(self) -> None:
        """Answer requests until the client or the protocol ends the connection."""
        try:
            while not self._hijacked:
                event = await self.next_event()
                if not isinstance(event, h11.Request):
                    return
                await self._handle(Request(self, event))
                if self._hijacked or not await self._prepare_next():
                    return
        except (Gone, ConnectionError):
            return
        except h11.RemoteProtocolError as error:
            await self._refuse(error)
        finally:
            self._writer.close()

    async def _prepare_next(self) -> bool:
        while self._http.their_state is h11.SEND_BODY:
            await self.next_event()  # a body that nobody wanted
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        body = json.dumps({"message": f"malformed request: {error}"}).encode()
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            head = f"HTTP/1.1 {error.error_status_hint} Bad Request\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            try:
                await self.write(head.encode() + body)
            except (Gone, ConnectionError):
                return

    async def _handle(self, request: Request) -> None:
        try:
            request.read_query()
            handler = self._router.find(request)
            await handler(request)
        except NotModified:
            await self._fail(request, 304, None)
        except EngineError as error:
            await self._fail(request, status_of(error), {"message": str(error)})
        except (Gone, ConnectionError, h11.ProtocolError):
            raise
        except Exception as error:  # noqa: BLE001  a bug of ours: its traceback is for the log, one line for the client
            traceback.print_exc(file=sys.stderr)
            sys.stderr.flush()
            await self._fail(request, 500, {"message": f"internal error: {type(error).__name__}: {error}"})

    async def _fail(self, request: Request, status: int, value: object) -> None:
        if self._hijacked:
            return
        if request.answered:
            raise Gone  # in the middle of an answer: all that is left is to break it off
        await request.answer(status, value)

    async def next_event(self) -> Any:
        """The next h11 event.

        Raises:
            Gone: the client closed its side.
        """
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self.write(self.pack(h11.InformationalResponse(status_code=100, headers=[])))
                self._http.receive_data(await self._reader.read(_CHUNK))
                continue
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise Gone
            return event

    def pack(self, event: Any) -> bytes:
        """An event as bytes."""
        return self._http.send(event) or b""

    async def write(self, data: bytes) -> None:
        """Send; returns when the client has taken most of it."""
        if self._writer.is_closing():
            raise Gone
        self._writer.write(data)
        await self._writer.drain()

    async def watch(self) -> None:
        """Return when the client closes its side; what it sends meanwhile is kept for the next request."""
        while True:
            data = await self._reader.read(_CHUNK)
            self._http.receive_data(data)
            if not data:
                return

    async def hijack(self, answer: bytes) -> RawConnection:
        """Answer, and hand the bytes over."""
        while self._http.their_state is h11.SEND_BODY:
            await self.next_event()
        self._hijacked = True
        early, _ = self._http.trailing_data
        await self.write(answer)
        return RawConnection(self._reader, self._writer, early)


class Server:
    """Accepts connections on a listening socket."""

    def __init__(self, engine: Engine, router: Router) -> None:
        """``start`` begins to listen."""
        self._engine = engine
        self._router = router
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, listener: Any) -> None:
        """Serve the listening socket from now on."""
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, backlog=BACKLOG)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  asyncio made one for this call
        self._connections.add(task)
        try:
            await Connection(self._engine, self._router, reader, writer).serve()
        except asyncio.CancelledError:
            writer.transport.abort()  # what a client does not read is not waited for
            return  # by ``close`` alone; asyncio's streams would print a traceback for a task that was cancelled
        finally:
            self._connections.discard(task)

    async def close(self) -> None:
        """No new connections; those that wait for something are ended."""
        if self._server is not None:
            self._server.close()
        for task in [*self._connections]:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


def unquote_path(path: str) -> str:
    """A path segment without percent-encoding.

    Raises:
        NotFound: it has a NUL, which no name has.
    """
    text = unquote(path)
    if "\0" in text:
        raise NotFound("page not found")
    return text
