"""Sockets whose other end is not the engine but who passes everything on: ssh, or TLS.

To their user they are like a unix socket: one may look ahead, wait with poll, and end one direction. That an engine was
never reached shows only in the first read, which therefore says why.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Bridged(socket.socket):
    """One end of a pair. ``reason``: why nothing came, once the other end is closed; ``stop``: ends who holds that."""

    def __init__(self, end: socket.socket, reason: Callable[[], str], stop: Callable[[], None]) -> None:
        super().__init__(end.family, end.type, end.proto, fileno=end.detach())
        self._reason = reason
        self._stop = stop
        self._heard = False

    def recv(self, *arguments: Any) -> bytes:
        """As a socket's; ConnectionAbortedError with the reason where nothing ever came."""
        with self._explaining():
            data = super().recv(*arguments)
            self._take_note(len(data))
            return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As a socket's; see ``recv``."""
        with self._explaining():
            count = super().recv_into(buffer, nbytes, flags)
            self._take_note(count)
            return count

    def sendall(self, *arguments: Any) -> None:
        """As a socket's; see ``recv``."""
        with self._explaining():
            super().sendall(*arguments)

    def _take_note(self, count: int) -> None:
        if not count and not self._heard:
            raise ConnectionResetError
        self._heard = True

    @contextlib.contextmanager
    def _explaining(self) -> Generator[None]:
        try:
            yield
        except (BrokenPipeError, ConnectionResetError):
            if self._heard:
                raise
            raise ConnectionAbortedError(self._reason() or "the connection was closed") from None

    def _real_close(self, *arguments: Any) -> None:
        # Where socket.socket arrives when the last file over it is closed, too; ssl.SSLSocket does the same.
        super()._real_close(*arguments)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        stop, self._stop = self._stop, _nothing
        stop()


def _nothing() -> None:
    return
