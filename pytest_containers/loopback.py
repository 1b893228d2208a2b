"""A way from an address of this machine to its loopback: for servers that listen on 127.0.0.1 alone."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOPBACK = "127.0.0.1"
_PIECE = 1 << 16
_CONNECT_LIMIT = 10.0
"""Seconds until the server takes a connection; it is on this machine."""

_open: dict[tuple[str, int], _Way] = {}
_lock = threading.Lock()


class _Way:
    """A listener, and the connections that it carries, each by two threads."""

    def __init__(self, address: str, port: int) -> None:
        self.users = 0
        self._port = port
        self._listener = socket.create_server((address, port))
        self._carried: set[socket.socket] = set()
        self._closed = False
        self._accepting = threading.Thread(target=self._accept, name=f"{address}:{port} to loopback", daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # it has been shut down
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near:
            try:
                far = socket.create_connection((_LOOPBACK, self._port), _CONNECT_LIMIT)
            except OSError:  # nobody listens: the connection ends as it would have there
                return
            with far:
                far.settimeout(None)
                if not self._keep(near, far):
                    return
                back = threading.Thread(target=_copy, args=(far, near), daemon=True)
                back.start()
                _copy(near, far)
                back.join()
                with _lock:
                    self._carried -= {near, far}

    def _keep(self, *ends: socket.socket) -> bool:
        with _lock:
            self._carried |= {*ends}
            return not self._closed

    def close(self) -> None:
        """End all; called with the lock held."""
        self._closed = True
        for each in (self._listener, *self._carried):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Until the end of what comes, which is passed on."""
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def lead(address: str, port: int) -> Callable[[], None]:
    """Lead ``address:port`` to ``127.0.0.1:port`` until what is returned is called, as often as there were calls.

    Where something else listens at that address, a server on all addresses, there is nothing to lead.

    Raises:
        OSError: the address is none of this machine's (EADDRNOTAVAIL), or the port is for root alone.
    """
    key = (address, port)
    with _lock:
        way = _open.get(key)
        if way is None:
            try:
                way = _open[key] = _Way(address, port)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return lambda: None
                raise
        way.users += 1

    def leave() -> None:
        with _lock:
            way.users -= 1
            if not way.users:
                del _open[key]
                way.close()

    return leave
