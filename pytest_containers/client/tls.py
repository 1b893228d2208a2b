"""An engine behind TLS.

Python's TLS sockets can neither look ahead nor end one direction, which attach and exec need; so a thread stands
between a plain pair of sockets and the connection, and says close_notify where one direction ends.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING

from pytest_containers.client.bridged import Bridged
from pytest_containers.client.errors import EngineUnreachable

if TYPE_CHECKING:
    from pytest_containers.client.address import TLS, Address

PIECE = 65536


def context_of(tls: TLS) -> ssl.SSLContext:
    """The context for an engine.

    Raises:
        EngineUnreachable: a file cannot be used.
    """
    context = ssl.create_default_context()
    try:
        if tls.ca:
            context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:  # SSLError is one, too
        files = ", ".join(each for each in (tls.ca, tls.cert, tls.key) if each)
        raise EngineUnreachable(f"cannot use the files for TLS ({files}): {error}") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def connect(raw: socket.socket, address: Address, tls: TLS, timeout: float | None) -> Bridged:
    """A connection over ``raw``, which is closed with it.

    Raises:
        OSError: what is there speaks no TLS, or its certificate is not trusted.
    """
    context = context_of(tls)
    bridge = _Bridge(raw, context, address.host)
    bridge.handshake()
    raw.settimeout(None)
    ours, bridge.inner = socket.socketpair()
    thread = threading.Thread(target=bridge.run, name=f"TLS {address.host}", daemon=True)
    thread.start()
    sock = Bridged(ours, lambda: bridge.failure, lambda: None)  # the thread sees its end
    sock.settimeout(timeout)
    return sock


class _Bridge:
    """Carries bytes between ``inner``, in the clear, and ``raw``."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, name: str) -> None:
        self._raw = raw
        self._coming, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._coming, self._going, server_hostname=name)
        self.inner: socket.socket
        self.failure = ""

    def handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                piece = self._raw.recv(PIECE)
                if not piece:
                    raise ConnectionResetError("the connection was closed during the TLS handshake") from None
                self._coming.write(piece)
            else:
                self._flush()
                return

    def _flush(self) -> None:
        if self._going.pending:
            self._raw.sendall(self._going.read())

    def run(self) -> None:
        """Until the engine's end closes, or ours is gone."""
        try:
            self._carry()
        except OSError as error:
            self.failure = str(error)
        finally:
            self._raw.close()
            self.inner.close()

    def _carry(self) -> None:
        poll = select.poll()
        poll.register(self._raw, select.POLLIN)
        poll.register(self.inner, select.POLLIN)
        raw, inner = self._raw.fileno(), self.inner.fileno()
        if not self._deliver():  # what came along with the handshake
            return
        while True:
            for descriptor, ready in poll.poll():
                if descriptor == raw and not self._from_engine():
                    return
                if descriptor == inner and not self._from_us(ready):
                    if ready & select.POLLHUP:  # closed, not only ended
                        return
                    poll.unregister(inner)
                    poll.register(inner, 0)  # of which POLLHUP is told all the same

    def _from_engine(self) -> bool:
        piece = self._raw.recv(PIECE)
        if piece:
            self._coming.write(piece)
        else:
            self._coming.write_eof()
        return self._deliver() and bool(piece)

    def _deliver(self) -> bool:
        """Pass on what can be read; whether more may come."""
        try:
            while True:
                data = self._tls.read(PIECE)
                if not data:
                    return False
                self.inner.sendall(data)
        except ssl.SSLWantReadError:
            self._flush()  # an answer to a renewal of keys
            return True
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return False

    def _from_us(self, ready: int) -> bool:
        """Pass on what our side wrote; whether more may come."""
        piece = self.inner.recv(PIECE) if ready & select.POLLIN else b""
        if piece:
            self._tls.write(piece)
        else:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()  # close_notify; the other direction stays
        self._flush()
        return bool(piece)
