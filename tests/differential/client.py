"""The thin client of the differential tests: plain requests on an engine's unix socket, and what a case made."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
import tarfile
import zlib
from collections import defaultdict
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

HANG = 30
"""Seconds; a hang limit of one answer."""
IMAGE = "tree:1"
CONFIGURED = "configured:1"
_prunings: defaultdict[Path, Lock] = defaultdict(Lock)
"""Cases that prune take turns at each engine: Docker refuses a second prune while one runs (409)."""
_PATTERNS = (
    (re.compile(r"sha256:[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<short id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "<time>"),
)


def plain(value: Any) -> Any:
    """A value in which ids, digests and times read alike for every engine."""
    if isinstance(value, str):
        for pattern, word in _PATTERNS:
            value = pattern.sub(word, value)
    elif isinstance(value, list):
        return [plain(one) for one in value]
    elif isinstance(value, dict):
        return {plain(name): plain(one) for name, one in value.items()}
    return value


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The body as JSON lines."""
        return [json.loads(line) for line in self.body.splitlines() if line]

    @property
    def message(self) -> str:
        """An error's message, with ids alike; what else came, where it is none."""
        try:
            return plain(self.json["message"])
        except (ValueError, KeyError, TypeError):
            return repr(self.body)


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Multiplexed output, neighbouring pieces of one stream joined: (1 or 2, bytes)."""
    found: list[tuple[int, bytes]] = []
    while data:
        stream, size = struct.unpack(">BxxxI", data[:8])
        piece, data = data[8 : 8 + size], data[8 + size :]
        assert len(piece) == size, "a frame is cut off"
        if found and found[-1][0] == stream:
            piece = found.pop()[1] + piece
        found.append((stream, piece))
    return found


def by_stream(data: bytes) -> dict[int, bytes]:
    """Multiplexed output taken apart; the order between the streams, which no engine promises, is lost."""
    found: dict[int, bytes] = {}
    for stream, piece in frames(data):
        found[stream] = found.get(stream, b"") + piece
    return dict(sorted(found.items()))


class Stream:
    """A hijacked connection."""

    def __init__(self, connection: socket.socket, head: bytes, rest: bytes) -> None:
        self.connection = connection
        self.status = int(head.split()[1])
        lines = head.decode().split("\r\n")[1:]
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self._rest = rest

    def send(self, data: bytes) -> None:
        """Input."""
        self.connection.sendall(data)

    def end_input(self) -> None:
        """Half-close: no more input, output goes on."""
        self.connection.shutdown(socket.SHUT_WR)

    def read_until(self, wanted: bytes) -> bytes:
        """Output up to and with ``wanted``, or to the end."""
        while wanted not in self._rest and (data := self.connection.recv(65536)):
            self._rest += data
        end = self._rest.find(wanted) + len(wanted) if wanted in self._rest else len(self._rest)
        found, self._rest = self._rest[:end], self._rest[end:]
        return found

    def read(self) -> bytes:
        """All that is left."""
        with self.connection:
            while data := self.connection.recv(65536):
                self._rest += data
        return self._rest


class _Connection(HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = connect(self._path, self.timeout)


def connect(path: Path, timeout: float | None = HANG) -> socket.socket:
    """A connection to an engine."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    connection.connect(str(path))
    return connection


class Api:
    """One engine as one case sees it; what the case made is removed by ``clean``."""

    def __init__(self, path: Path, case: str = "case") -> None:
        self.path = path
        self.shared = path.parent  # a directory of the machine that containers can bind
        slug = re.sub(r"[^a-z0-9]+", "-", case.lower()).strip("-")
        self.prefix = f"{slug}-{zlib.crc32(case.encode()):x}"  # without a dot: see ``name``
        self._count = 0
        self._streams: list[socket.socket] = []

    # --- requests -------------------------------------------------------------------------------------------------

    def call(
        self, method: str, path: str, body: Any = None, /, *, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Answer:
        """A request; ``body``: bytes as they are, anything else as JSON. Query values that are no text are JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {"Content-Type": "application/json"} if data is not None else {}
        turn = _prunings[self.path] if path.endswith("/prune") else nullcontext()
        with turn, closing(_Connection(self.path, HANG)) as connection:
            connection.request(method, path + _query(query), data, {**given, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def get(self, path: str, /, **query: Any) -> Answer:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any = None, /, **query: Any) -> Answer:
        return self.call("POST", path, body, **query)

    def delete(self, path: str, /, **query: Any) -> Answer:
        return self.call("DELETE", path, **query)

    def ok(self, method: str, path: str, body: Any = None, /, **query: Any) -> Answer:
        """A request that a case takes for granted."""
        answer = self.call(method, path, body, **query)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.message}"
        return answer

    def raw(self, data: bytes) -> bytes:
        """Bytes as they are, and all that is answered until the engine closes the connection."""
        with connect(self.path) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            found = b""
            with suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    found += piece
        return found

    def begin(self, method: str, path: str, /, **query: Any) -> HTTPResponse:
        """A request whose answer has begun and is read by the case: it may come in pieces. To be closed."""
        connection = _Connection(self.path, HANG)
        connection.request(method, path + _query(query), headers={"Connection": "close"})
        return connection.getresponse()

    def hijack(self, path: str, body: Any = None, /, *, upgrade: bool = True, **query: Any) -> Stream:
        """A request that turns the connection into a stream."""
        connection = connect(self.path)
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"POST {path}{_query(query)} HTTP/1.1", "Host: x", f"Content-Length: {len(data)}"]
        lines += ["Content-Type: application/json"] + ["Connection: Upgrade", "Upgrade: tcp"] * upgrade
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        answer = b""
        while b"\r\n\r\n" not in answer and (piece := connection.recv(4096)):
            answer += piece
        head, _, rest = answer.partition(b"\r\n\r\n")
        self._streams.append(connection)
        return Stream(connection, head, rest)

    # --- containers -----------------------------------------------------------------------------------------------

    def name(self) -> str:
        """A name that is the case's own, and the same with every engine."""
        self._count += 1
        return f"{self.prefix}.{self._count}"

    def body(self, *command: str, Host: Mapping[str, Any] | None = None, **config: Any) -> dict[str, Any]:  # noqa: N803
        """The request that creates a container; without a network where none is asked for."""
        host = {"NetworkMode": "none", **(Host or {})}
        return {"Image": IMAGE, "Cmd": list(command or ("sleep", "600")), "HostConfig": host, **config}

    def create(self, *command: str, name: str = "", **config: Any) -> str:
        """A new container's id; ``Host``: its HostConfig; other names are those of Config."""
        answer = self.ok("POST", "/containers/create", self.body(*command, **config), name=name or self.name())
        return answer.json["Id"]

    def run(self, *command: str, **config: Any) -> str:
        """The id of a container that runs."""
        one = self.create(*command, **config)
        self.ok("POST", f"/containers/{one}/start")
        return one

    def wait(self, one: str, /, **query: Any) -> int:
        """A container's exit code, when it ends."""
        return self.ok("POST", f"/containers/{one}/wait", **query).json["StatusCode"]

    def output(self, one: str) -> dict[int, bytes]:
        """What a container wrote."""
        return by_stream(self.ok("GET", f"/containers/{one}/logs", stdout=1, stderr=1).body)

    def result(self, *command: str, **config: Any) -> tuple[int, dict[int, bytes]]:
        """Run to the end: exit code and output."""
        one = self.run(*command, **config)
        return self.wait(one), self.output(one)

    def text(self, *command: str, **config: Any) -> str:
        """Run a shell command to its end: its output."""
        return self.result("sh", "-c", *command, **config)[1].get(1, b"").decode()

    def inspect(self, one: str) -> Any:
        """All about a container."""
        return self.ok("GET", f"/containers/{one}/json").json

    def state(self, one: str) -> str:
        """The word for a container's state; "gone" where there is none."""
        answer = self.get(f"/containers/{one}/json")
        return answer.json["State"]["Status"] if answer.status == 200 else "gone"

    def execute(self, one: str, *command: str, **config: Any) -> tuple[int, dict[int, bytes]]:
        """Run a command in a container: exit code and output."""
        body = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command), **config}
        made = self.ok("POST", f"/containers/{one}/exec", body).json["Id"]
        output = by_stream(self.hijack(f"/exec/{made}/start", {}).read())
        return self.get(f"/exec/{made}/json").json["ExitCode"], output

    def follow(self, one: str, wanted: bytes) -> None:
        """Return when a container has written this."""
        seen = b""
        with self.begin("GET", f"/containers/{one}/logs", stdout=1, stderr=1, follow=1) as answer:
            while wanted not in seen and (piece := answer.read1(4096)):
                seen += piece
        assert wanted in seen, seen

    def await_event(self, one: str, *actions: str) -> None:
        """Return when one of these has happened to a container since the case began."""
        kinds = {"container": [one], "event": list(actions)}
        with self.begin("GET", "/events", since="1", filters=kinds) as answer:
            assert answer.readline(), f"{kinds}: nothing happened"

    def clean(self) -> None:
        """Remove the case's containers, networks and volumes."""
        for connection in self._streams:
            connection.close()
        mine = {"name": [rf"^/?{self.prefix}\."]}
        for one in self.get("/containers/json", all=1, filters=mine).json:
            self.delete(f"/containers/{one['Id']}", force=1, v=1)
        for one in self.get("/networks").json:
            if one["Name"].startswith(f"{self.prefix}."):
                self.delete(f"/networks/{one['Id']}")
        answer = self.get("/volumes")
        for one in (answer.json["Volumes"] or []) if answer.status == 200 else []:
            if one["Name"].startswith(f"{self.prefix}."):
                self.delete(f"/volumes/{one['Name']}")


def _query(query: Mapping[str, Any]) -> str:
    if not query:
        return ""
    return "?" + urlencode({name: _text(value) for name, value in query.items()})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_600_000_000
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def members(data: bytes) -> dict[str, tuple[str, int, int, bytes]]:
    """An archive's members: name to (kind, mode, owner, content or where a link leads)."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for one in tar:
            content = tar.extractfile(one) if one.isreg() else None
            kind = "file" if one.isfile() else "directory" if one.isdir() else "link" if one.issym() else "other"
            found[one.name] = (kind, one.mode, one.uid, content.read() if content else one.linkname.encode())
    return found


def keys(value: Mapping[str, Any]) -> list[str]:
    """The names of an object's fields, sorted."""
    return sorted(value)


def pick(value: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Some fields; None for those that are not there."""
    return {name: value.get(name) for name in names}
