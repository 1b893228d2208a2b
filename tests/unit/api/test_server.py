"""HTTP as clients speak it, well and badly, over a real socket; the handlers are small ones of the test's own."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest

from container_runtime import errors
from container_runtime.api import server as api
from container_runtime.api.routes import Router
from container_runtime.api.status import status_of

HANG = 10  # seconds


class Table(Router):
    """The test's own routes."""

    def find(self, request):
        return {
            "/echo": echo,
            "/bug": bug,
            "/missing": missing,
            "/stream": stream,
            "/raw": raw,
            "/same": same,
        }[request.path]


async def echo(request):
    await request.answer(200, await request.json())


async def bug(_):
    raise RuntimeError("secret place in the code")


async def missing(_):
    raise errors.NotFound("No such thing: x")


async def same(_):
    raise errors.NotModified("so already")


async def stream(request):
    await request.begin_stream("application/json")
    for number in range(3):
        await request.send_line({"n": number})
    await request.end_stream()


async def raw(request):
    connection = await request.hijack(multiplexed=False)
    async for data in connection.incoming():
        connection.write(data.upper())
    connection.write(b"bye")
    await connection.drain()


@asynccontextmanager
async def serving(tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    served = api.Server(None, Table())  # type: ignore[arg-type]  no handler of these asks the engine
    await served.start(listener)
    try:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        yield reader, writer
        writer.close()
    finally:
        await served.close()


def talk(tmp_path, sent, *, half_close=True):
    async def main():
        async with serving(tmp_path) as (reader, writer):
            writer.write(sent)
            if half_close:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), HANG)

    return asyncio.run(main())


def post(path, body=b"", *headers):
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_requests_in_a_row_on_one_connection(tmp_path):
    answer = talk(tmp_path, post("/echo", b'{"a":1}') + post("/echo", b'{"b":2}'))
    assert answer.count(b"HTTP/1.1 200") == 2
    assert b'{"a":1}' in answer
    assert b'{"b":2}' in answer


@pytest.mark.parametrize("path", ["/echo", "/missing", "/bug", "/stream", "/same"])
def test_headers_of_every_answer(tmp_path, path):
    head = talk(tmp_path, post(path)).partition(b"\r\n\r\n")[0].lower()
    for line in (b"api-version: 1.51", b"ostype: linux", b"docker-experimental: false", b"server: pytest-containers/"):
        assert line in head


def test_chunked_bodies(tmp_path):
    sent = b'POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n'
    assert b'{"a":1}' in talk(tmp_path, sent)


def test_errors_are_messages(tmp_path):
    head, _, body = talk(tmp_path, post("/missing")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404")
    assert json.loads(body) == {"message": "No such thing: x"}


def test_a_bug_of_ours_is_one_line_and_the_connection_lives(tmp_path, capfd):
    answer = talk(tmp_path, post("/bug") + post("/echo", b"{}"))
    assert b"HTTP/1.1 500" in answer
    assert b"Traceback" not in answer
    assert b"HTTP/1.1 200" in answer
    assert "Traceback" in capfd.readouterr().err


def test_not_modified_has_no_body(tmp_path):
    head, _, body = talk(tmp_path, post("/same")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 304")
    assert not body


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_object(tmp_path, body):
    assert talk(tmp_path, post("/echo", body)).startswith(b"HTTP/1.1 400")


def test_a_body_that_is_too_large(tmp_path):
    assert b"too large" in talk(tmp_path, post("/echo", b" " * (api.BODY_LIMIT + 1)))


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /" + b"x" * 200_000],
)
def test_what_is_no_http(tmp_path, sent):
    answer = talk(tmp_path, sent)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert b"message" in answer


def test_streamed_answers(tmp_path):
    answer = talk(tmp_path, post("/stream"))
    assert b"transfer-encoding: chunked" in answer.lower()
    assert answer.endswith(b"0\r\n\r\n")
    assert answer.count(b'"n"') == 3


@pytest.mark.parametrize(
    ("headers", "status"),
    [((), b"HTTP/1.1 200 OK"), (("Connection: Upgrade", "Upgrade: tcp"), b"HTTP/1.1 101 UPGRADED")],
)
def test_hijack_with_bytes_behind_the_head_and_half_close(tmp_path, headers, status):
    head, _, body = talk(tmp_path, post("/raw", b"{}", *headers) + b"early").partition(b"\r\n\r\n")
    assert head.startswith(status)
    assert body == b"EARLYbye"


def test_a_client_that_goes_in_the_middle(tmp_path):
    async def main():
        async with serving(tmp_path) as (_, writer):
            writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
            await writer.drain()
            writer.transport.abort()
            await asyncio.sleep(0.05)  # the server learns of it
        # the server closes without an error: filterwarnings would show a task that failed
        await asyncio.sleep(0.01)  # transports close in a later turn of the loop

    asyncio.run(main())


class Asked:
    """What the router looks at."""

    def __init__(self, method, path):
        self.method, self.path, self.parameters = method, path, {}


def test_names_are_decoded():
    asked = Asked("GET", "/images/a%2Fb%3A1/json")
    Router().find(asked)
    assert asked.parameters == {"name": "a/b:1"}


@pytest.mark.parametrize(
    ("path", "error"),
    [("/v1.44/build", errors.NotImplementedHere), ("/nothing", errors.NotFound), ("/", errors.NotFound)],
)
def test_what_there_is_not(path, error):
    with pytest.raises(error):
        Router().find(Asked("POST", path))


def test_every_error_class_has_its_status():
    expected = {
        errors.NotFound: 404,
        errors.Conflict: 409,
        errors.NotModified: 304,
        errors.InvalidParameter: 400,
        errors.Forbidden: 403,
        errors.Unauthorized: 401,
        errors.Unavailable: 503,
        errors.NotImplementedHere: 501,
        errors.EngineError: 500,
    }
    assert {kind: status_of(kind("x")) for kind in expected} == expected
    assert [status_of(errors.StartError("x", code)) for code in (126, 127, 128)] == [400, 400, 500]
    assert status_of(errors.KernelError("mount", "/x", 1)) == 500
