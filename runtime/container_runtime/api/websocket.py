"""A hijacked connection that speaks WebSocket (RFC 6455): the handshake here, the frames by wsproto."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from container_runtime.api.hijack import RawConnection

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_VERSION = "13"
_CLOSED_NORMALLY = 1000  # section 7.4.1


def accept(headers: Mapping[str, str]) -> bytes:
    """The answer to a client's handshake.

    Raises:
        InvalidParameter: it is none.
    """
    if headers.get("upgrade", "").lower() != "websocket" or headers.get("sec-websocket-version") != _VERSION:
        raise InvalidParameter("a WebSocket handshake of version 13 is expected (RFC 6455)")
    key = headers.get("sec-websocket-key", "")
    try:
        if len(base64.b64decode(key, validate=True)) != 16:
            raise ValueError(key)
    except (ValueError, binascii.Error):
        raise InvalidParameter("Sec-WebSocket-Key is not 16 bytes in base64") from None
    # A digest for recognition, not for secrecy: the RFC wants this one.
    digest = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {digest}\r\n\r\n"
    ).encode()


class WebSocket:
    """A ``Duplex`` of binary messages."""

    def __init__(self, raw: RawConnection) -> None:
        """``raw``: after the handshake."""
        from wsproto.connection import Connection, ConnectionType

        self._raw = raw
        self._frames = Connection(ConnectionType.SERVER)

    def write(self, data: bytes) -> None:
        """Queue a message."""
        from wsproto.events import BytesMessage

        self._send(BytesMessage(data=data))

    def _send(self, event: object) -> None:
        from wsproto.utilities import LocalProtocolError

        try:
            self._raw.write(self._frames.send(event))  # pyright: ignore[reportArgumentType]
        except LocalProtocolError:  # closed by the client
            raise ConnectionResetError from None

    async def drain(self) -> None:
        """Return when the queue is short."""
        await self._raw.drain()

    async def gone(self) -> None:
        """Return when the client has closed the whole connection."""
        await self._raw.gone()

    async def incoming(self) -> AsyncIterator[bytes]:
        """What the client sends, until it says that it closes."""
        from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
        from wsproto.utilities import RemoteProtocolError

        async for data in self._raw.incoming():
            try:
                self._frames.receive_data(data)
                for event in self._frames.events():
                    if isinstance(event, BytesMessage):
                        yield bytes(event.data)
                    elif isinstance(event, TextMessage):
                        yield event.data.encode()
                    elif isinstance(event, Ping):
                        self._send(event.response())
                    elif isinstance(event, CloseConnection):
                        self._send(event.response())
                        return
            except (RemoteProtocolError, ConnectionError):
                return

    def close(self) -> None:
        """Say that there will be no more."""
        from wsproto.events import CloseConnection

        try:
            self._send(CloseConnection(code=_CLOSED_NORMALLY))
        except ConnectionError:
            return
