"""Ready when a TCP port takes connections."""

from __future__ import annotations

import errno
import os
import select
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pytest_containers.errors import ContainerError
from pytest_containers.wait.base import Probe, Wait

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_containers.wait.base import Target

PROXY_GRACE = 0.02
"""Seconds after which a connection through a proxy counts: docker-proxy takes any, and drops it when nobody listens."""


class _PortProbe(Probe):
    def __init__(self, target: Target, number: int) -> None:
        self._target = target
        self._number = number
        self._host, self._port = target.host, target.port(number)
        self._proxied = not target.own_address
        self._socket: socket.socket | None = None
        self._seen = "no answer yet"

    def check(self) -> bool:
        try:
            listens = self._target.listens(self._number)
        except ContainerError as error:  # it has ended: that is told by who waits for it
            self.tries += 1
            self._seen = f"{error}"
            return False
        if listens is not None:
            self.tries += 1
            self._seen = os.strerror(errno.ECONNREFUSED).lower()
            return listens
        if self._socket is None:
            self.tries += 1
            status = self._connect()
        elif select.select((), (self._socket,), (), 0)[1]:
            status = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        else:
            self._seen = "no answer to the connection"
            return False
        if status == errno.EINPROGRESS:
            return False
        if status == 0 and self._proxied and self._socket and self._dropped(self._socket):
            status = errno.ECONNREFUSED
        self._seen = os.strerror(status).lower()
        self.close()
        return status == 0

    def _connect(self) -> int:
        """Begin to connect; the error's number."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except socket.gaierror:
            return errno.EHOSTUNREACH
        family, _, _, _, address = found[0]
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        return self._socket.connect_ex(address)

    @staticmethod
    def _dropped(connection: socket.socket) -> bool:
        if not select.select((connection,), (), (), PROXY_GRACE)[0]:
            return False
        try:
            return not connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    @property
    def seen(self) -> str:
        return f"{self._seen} at {self._host}:{self._port}"

    def again(self) -> bool:
        return self._socket is None

    def writable(self) -> Iterable[int]:
        return (self._socket.fileno(),) if self._socket else ()

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None


@dataclass(frozen=True)
class Port(Wait):
    """See ``port``."""

    number: int

    def begin(self, target: Target) -> Probe:
        """Start to connect."""
        return _PortProbe(target, self.number)

    def outside(self) -> Wait | None:
        """All of it: it is seen from here."""
        return self

    def ports(self) -> Collection[int]:
        """The one port."""
        return (self.number,)

    def __str__(self) -> str:
        return f"port {self.number}"


def port(number: int) -> Wait:
    """Ready when the container takes TCP connections on its port ``number`` (1 to 65535)."""
    __tracebackhide__ = True
    given = cast("object", number)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given < 65536:
        raise ValueError(f"wait.port: a port is a number from 1 to 65535, not {number!r}")
    return Port(number)
