"""How a connection is taken out of HTTP."""

import asyncio
import socket

import pytest

from container_runtime.api import hijack, websocket
from container_runtime.errors import InvalidParameter

COMMON = [(b"Server", b"x")]


@pytest.mark.parametrize(
    ("version", "multiplexed", "kind"),
    [((1, 51), True, "multiplexed"), ((1, 42), False, "raw"), ((1, 41), True, "raw")],
)
def test_the_head_of_an_upgrade(version, multiplexed, kind):
    head = hijack.head(version, COMMON, upgrade=True, multiplexed=multiplexed).decode().split("\r\n")
    assert head[0] == "HTTP/1.1 101 UPGRADED"
    assert f"Content-Type: application/vnd.docker.{kind}-stream" in head
    assert head[-3:] == ["Server: x", "", ""]


def test_the_head_without_an_upgrade():
    head = hijack.head((1, 51), COMMON, upgrade=False, multiplexed=True)
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n")


def test_who_has_gone_is_noticed_and_who_says_no_more_is_not():
    async def main():
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        gone = asyncio.create_task(hijack.RawConnection(reader, writer, b"").gone())
        theirs.shutdown(socket.SHUT_WR)
        assert await reader.read() == b""
        assert not gone.done()
        theirs.close()
        await asyncio.wait_for(gone, 5)
        writer.close()

    asyncio.run(main())


HANDSHAKE = {"upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}


def test_the_handshake_of_the_rfc():
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in websocket.accept(HANDSHAKE)


@pytest.mark.parametrize(
    "wrong",
    [{"upgrade": "tcp"}, {"sec-websocket-version": "8"}, {"sec-websocket-key": "x"}, {"sec-websocket-key": "YQ=="}],
)
def test_no_handshake(wrong):
    with pytest.raises(InvalidParameter):
        websocket.accept(HANDSHAKE | wrong)
