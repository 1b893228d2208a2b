"""Requests that nobody should send, for every route, for a bounded time: no fault of the engine, and nothing kept.

What is drawn: values of every type for the names that the API knows, ids that are there and that are not, bytes that
are hardly HTTP, and clients that leave in the middle.
"""

import json
import os
import re
import socket
import struct
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from container_runtime.api import params
from container_runtime.api.routes import TABLE
from tests.differential.client import Api, archive
from tests.engines import HANG, own_engine
from tests.registry import busybox_layer
from tests.waiting import until_gone

SECONDS = float(os.environ.get("FUZZ_SECONDS", "4"))
"""How long each test draws new requests."""

# Not drawn: what ends the engine, and what asks a registry of the internet.
LEFT_OUT = {"/x-pytest-containers/shutdown", "/auth"}
ROUTES = [(method, path) for method, path, _ in TABLE if path not in LEFT_OUT]
NAMES = sorted(
    {name for table in vars(params).values() if isinstance(table, dict) for name in table if name != "Image"}
)
QUERY = (
    "all cause changes condition container copyUIDGID detachKeys driver filters follow force fromSrc h id limit link "
    "logs name noOverwriteDirNonDir noprune one-shot path platform probe ps_args repo signal since size stderr stdin "
    "stdout stream t tag timestamps tail type until v w"
).split()

TEXT = st.one_of(
    st.sampled_from(["", "1", "-1", "true", "kept", "running", "/", "../..", "a\nb", "9" * 30, "ä", "{}", "[]"]),
    st.text(max_size=20),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), TEXT),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | TEXT, inner, max_size=5),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)
BODIES = st.one_of(
    st.none(),
    OBJECTS,
    VALUES,
    # Near to what is right, so that it is not refused at the first field.
    st.builds(lambda more, host: {"Image": "tree:1", "Cmd": ["true"], **more, "HostConfig": host}, OBJECTS, OBJECTS),
)
QUERIES = st.dictionaries(st.sampled_from(QUERY), TEXT | VALUES.map(json.dumps), max_size=4)
BOUNDED = settings(
    max_examples=50,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class Target:
    """The engine, with a few objects that are there before and after."""

    def __init__(self, engine):
        self.engine, self.api = engine, Api(engine.path, "fuzz")
        self.api.ok("POST", "/images/create", busybox_layer().bytes(), fromSrc="-", repo="tree", tag="1")
        body = {"Image": "tree:1", "Cmd": ["/bin/sleep", "100000"], "OpenStdin": True, "StopSignal": "KILL"}
        for name in ("kept", "running"):
            self.api.ok("POST", "/containers/create", body, name=name)
        self.revive()
        made = self.api.ok("POST", "/containers/running/exec", {"Cmd": ["/bin/cat"], "AttachStdin": True}).json["Id"]
        self.ids = ["kept", "running", "nobody", made, "tree:1", "bridge", "none"]

    def revive(self):
        """As it was: what requests made is removed, what they changed is changed back."""
        api = self.api
        for one in api.get("/containers/json", all=1).json:
            if not {"/kept", "/running"} & set(one["Names"]):
                api.delete(f"/containers/{one['Id']}", force=1, v=1)
        for one in api.get("/networks").json:
            if one["Name"] not in {"bridge", "host", "none"}:
                for name in ("kept", "running"):  # what is in use is not removed
                    api.post(f"/networks/{one['Id']}/disconnect", {"Container": name, "Force": True})
                api.delete(f"/networks/{one['Id']}")
        for one in api.get("/volumes").json["Volumes"] or []:
            api.delete(f"/volumes/{one['Name']}", force=1)
        api.post("/containers/kept/kill")
        api.post("/containers/running/kill")  # execs that were started in it end too
        api.post("/containers/running/wait")
        api.post("/containers/running/start")

    def held(self):
        """Descriptors and threads of the process."""
        home = Path(f"/proc/{self.engine.process.pid}")
        return len(list((home / "fd").iterdir())), len(list((home / "task").iterdir()))

    def names(self):
        """What the descriptors are of."""
        found = []
        for descriptor in Path(f"/proc/{self.engine.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since
                found.append(str(descriptor.readlink()))
        return sorted(found)


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    home = tmp_path_factory.mktemp("data")  # images of its own: requests may remove them
    environment = {**os.environ, "PYTEST_CONTAINERS_DATA": str(home), "PYTEST_CONTAINERS_REGISTRY_MIRROR": ""}
    with own_engine(tmp_path_factory.mktemp("engine"), environment) as engine:
        yield Target(engine)


@pytest.fixture(autouse=True)
def nothing_kept(target):
    """Whatever a test sent, the engine then holds as much as before."""
    target.revive()
    before = target.held()[0]
    yield
    target.revive()
    # What a client left is let go when the kernel says that it has gone.
    until_gone(lambda: target.held()[0] > before and target.names())
    assert "Traceback" not in target.engine.log.read_text()


def draw_on(test):
    """Call a hypothesis test, fifty examples each time, until its time is over."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        test()


def head(connection):
    """The first line and headers of an answer, and what came behind them."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        if not piece:
            break
        answer += piece
    return answer


def exchange(target, request):
    """Send a request, read what is answered at once, and leave."""
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(HANG)
        connection.connect(str(target.engine.path))
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
            return head(connection)
    return b""


def fine(answer):
    """No fault of the engine's own: those say "internal error", and leave a traceback in the log."""
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found or not answer, answer[:200]
    assert b"internal error" not in answer, answer
    if found and int(found[1]) >= 400 and b"application/json" in answer and not answer.endswith(b"\r\n\r\n"):
        assert b'"message"' in answer or b"Transfer-Encoding" in answer, answer


def packed(method, path, query, body, kind="application/json"):
    text = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query.items())
    lines = [f"{method} {path}?{text} HTTP/1.1", "Host: x", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def place(path, ids, draw):
    """A path with names in its places."""
    return re.sub(r"\{\w+(:path)?\}", lambda _: quote(draw(st.sampled_from(ids) | TEXT) or "x", safe=""), path)


@st.composite
def requests(draw, ids):
    """A request for a route of the table."""
    method, path = draw(st.sampled_from(ROUTES))
    body = draw(BODIES)
    data = draw(st.binary(max_size=50)) if draw(st.integers(0, 9)) == 0 else b"" if body is None else _json(body)
    if path == "/containers/{id}/archive" and draw(st.booleans()):
        data = archive({"file": b"x"})[: draw(st.integers(0, 3000))]
    return packed(method, place(path, ids, draw), draw(QUERIES), data)


def _json(value):
    return json.dumps(value).encode()


def test_values(target):
    @BOUNDED
    @given(requests(target.ids))
    def send(request):
        fine(exchange(target, request))

    draw_on(send)


def test_bytes(target):
    """Requests that are cut off, doubled, or changed in a place."""

    @BOUNDED
    @given(requests(target.ids), st.integers(0, 400), st.binary(max_size=6), st.integers(0, 20))
    def send(request, where, inserted, taken):
        changed = request[:where] + inserted + request[where + taken :]
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(HANG)
            connection.connect(str(target.engine.path))
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(changed)
                connection.shutdown(socket.SHUT_WR)  # or it would wait for the rest
                fine(head(connection))

    draw_on(send)


STREAMS = (
    "POST /containers/running/attach?stream=1&stdin=1&stdout=1",
    "POST /containers/running/attach?stream=1&stdout=1&logs=1",
    "GET /containers/running/logs?follow=1&stdout=1",
    "GET /containers/running/stats",
    "POST /containers/running/wait",
    "POST /containers/kept/wait?condition=next-exit",
    "GET /events",
    "GET /containers/running/export",
    "GET /containers/running/archive?path=/bin",
    "PUT /containers/running/archive?path=/tmp",
    "POST /images/create?fromSrc=-&repo=x",
)


def test_clients_that_leave(target):
    """In the middle of the request, of the answer, or of a stream; with a reset or in order."""

    @BOUNDED
    @given(st.sampled_from(STREAMS), st.sampled_from(["", "Upgrade: tcp\r\nConnection: Upgrade\r\n"]),
           st.integers(0, 3), st.booleans(), st.binary(max_size=100))  # fmt: skip
    def leave(line, upgrade, step, reset, data):
        request = f"{line} HTTP/1.1\r\nHost: x\r\n{upgrade}Content-Length: 2000\r\n\r\n".encode()
        if line.startswith(("GET", "POST /containers")):
            request = request.replace(b"Content-Length: 2000\r\n", b"")
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(HANG)
            connection.connect(str(target.engine.path))
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request if step else request[:-10])
                if step > 1 and b"Content-Length" not in request:
                    fine(head(connection))
                if step > 2:
                    connection.sendall(data)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    draw_on(leave)


@pytest.mark.parametrize("size", [16 << 20, 64 << 20])
def test_bodies_over_the_bound(target, size):
    body = b'{"Image": "' + b"x" * size + b'"}'
    answer = exchange(target, packed("POST", "/containers/create", {}, body))
    assert not answer or answer.startswith(b"HTTP/1.1 400"), answer[:200]


def test_giant_headers(target):
    answer = exchange(target, b"GET /_ping HTTP/1.1\r\nHost: x\r\nA: " + b"a" * (3 << 20) + b"\r\n\r\n")
    assert not answer or answer.startswith(b"HTTP/1.1 431"), answer[:200]
