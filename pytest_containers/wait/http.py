"""Ready when a web server answers as it should."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_containers.errors import ContainerError
from pytest_containers.wait.attempts import Attempts, Result
from pytest_containers.wait.base import Wait

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPResponse

    from pytest_containers.wait.attempts import Cord
    from pytest_containers.wait.base import Probe, Target

Status = int | Collection[int] | Callable[[int], object]
GOOD = range(200, 400)
"""As for Kubernetes' httpGet probes: success and redirection."""
CONNECT_LIMIT = 1.0
ANSWER_LIMIT = 10.0
"""Seconds that a connection and each piece of the answer may take; then the request is made again."""
BODY_LIMIT = 1 << 20
"""Bytes of an answer that are looked at."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_PATH = re.compile(r"/[!-~]*")


@dataclass(frozen=True)
class HTTP(Wait):
    """See ``http``."""

    path: str
    port: int
    method: str
    status: Status
    headers: Mapping[str, str] = field(hash=False)
    body: str | re.Pattern[str] | None
    data: bytes | None
    tls: bool
    ca: str | os.PathLike[str] | None
    insecure: bool
    server_name: str | None

    def begin(self, target: Target) -> Probe:
        """Start to ask."""
        host, port, context = target.host, target.port(self.port), self._context()
        return Attempts(lambda cord: self._ask(host, port, context, cord), "http")

    def outside(self) -> Wait | None:
        """All of it: it is seen from here."""
        return self

    def ports(self) -> Collection[int]:
        """The one port."""
        return (self.port,)

    def __str__(self) -> str:
        name = getattr(self.status, "__name__", "as wanted")
        if self.status is GOOD:
            wanted = "with success"
        elif isinstance(self.status, int | range):
            wanted = _range(self.status)
        else:
            wanted = name if callable(self.status) else ", ".join(map(str, self.status))
        body = f" and {_quoted(self.body)} in its body" if self.body is not None else ""
        return f"{self.method} {self.path} at port {self.port} answered {wanted}{body}"

    def _context(self) -> ssl.SSLContext | None:
        if not self.tls:
            return None
        import ssl

        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # SSLError is one, too
            raise ContainerError(f"wait.http: cannot use ca={os.fspath(self.ca or '')!r}: {_reason(error)}") from None
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _ask(self, host: str, port: int, context: ssl.SSLContext | None, cord: Cord) -> Result:
        from http.client import HTTPException

        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, socket.SOCK_STREAM) as raw, cord.holding(raw):
                raw.settimeout(CONNECT_LIMIT)
                raw.connect(address)
                raw.settimeout(ANSWER_LIMIT)
                name = self.server_name or host
                with context.wrap_socket(raw, server_hostname=name) if context else raw as connection:
                    return self._exchange(connection, name, port)
        except (OSError, HTTPException) as error:
            return Result(False, f"{_reason(error)} at {host}:{port}")

    def _exchange(self, connection: socket.socket, name: str, port: int) -> Result:
        from http.client import HTTPConnection

        client = HTTPConnection(name, port)
        client.sock = connection
        try:
            client.request(self.method, self.path, body=self.data, headers=dict(self.headers))
            answer = client.getresponse()
            seen = f"answered {answer.status} {answer.reason}".rstrip()
            if not _fits(self.status, answer.status):
                return Result(False, seen)
            return self._read(answer, seen) if self.body is not None else Result(True, seen)
        finally:
            client.close()

    def _read(self, answer: HTTPResponse, seen: str) -> Result:
        """Look for the text while the body comes: one that goes on for ever may have it."""
        body = b""
        while piece := answer.read1(min(65536, BODY_LIMIT - len(body))):
            body += piece
            if re.search(_pattern(self.body), body.decode(errors="replace")):
                return Result(True, seen)
            if len(body) >= BODY_LIMIT:
                break
        return Result(False, f"{seen} without {_quoted(self.body)} in its body, which begins {_beginning(body)!r}")


def _range(status: int | range) -> str:
    return f"{status}" if isinstance(status, int) else f"{status.start}–{status.stop - 1}"


def _quoted(body: str | re.Pattern[str] | None) -> str:
    return f"/{body.pattern}/" if isinstance(body, re.Pattern) else repr(body)


def _pattern(body: str | re.Pattern[str] | None) -> str | re.Pattern[str]:
    return body if isinstance(body, re.Pattern) else re.escape(body or "")


def _beginning(body: bytes) -> str:
    return body[:200].decode(errors="replace")


def _fits(wanted: Status, status: int) -> bool:
    if isinstance(wanted, int):
        return status == wanted
    return bool(wanted(status)) if callable(wanted) else status in wanted


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if strerror := getattr(error, "strerror", None):
        return str(strerror).lower()
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def http(
    path: str = "/",
    *,
    port: int = 80,
    method: str = "GET",
    status: Status = GOOD,
    headers: Mapping[str, str] | None = None,
    body: str | re.Pattern[str] | None = None,
    data: str | bytes | None = None,
    auth: tuple[str, str] | None = None,
    tls: bool = False,
    ca: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    server_name: str | None = None,
) -> Wait:
    """Ready when a request to the container's port ``port`` is answered as it should be.

    Args:
        path: with the query, where there is one.
        port: the container's own.
        method: GET, HEAD, POST …
        status: a number, a range or list of them, or a function of it; without it, 200 to 399. Redirections are not
            followed.
        headers: of the request.
        body: text that the answer's body must have, or a compiled regular expression (``search``).
        data: the request's body.
        auth: user and password, for basic authentication.
        tls: over TLS, with the certificates that this machine trusts.
        ca: over TLS, with the certificates in this file (PEM).
        insecure: over TLS, whatever the certificate.
        server_name: the host's name in the request and in its certificate, in place of the container's address.
    """
    __tracebackhide__ = True
    _check(path, port, method, status, body)
    fields = _fields(headers)
    if auth is not None:
        fields["Authorization"] = _basic(auth)
    if ca is not None and not Path(ca).is_file():
        raise ValueError(f"wait.http: ca={os.fspath(ca)!r} is no file")
    content = data.encode() if isinstance(data, str) else data
    secure = tls or insecure or ca is not None
    return HTTP(path, port, method.upper(), status, fields, body, content, secure, ca, insecure, server_name)


def _check(path: object, port: object, method: object, status: object, body: object) -> None:
    __tracebackhide__ = True
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise ValueError(f"wait.http: the path must begin with / and have no spaces, not {path!r}")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError(f"wait.http: a port is a number from 1 to 65535, not {port!r}")
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise ValueError(f"wait.http: method must be GET, HEAD, POST or so, not {method!r}")
    _check_status(status)
    if body is not None and not isinstance(body, str) and not _is_text_pattern(body):
        raise TypeError(f"wait.http: body must be text or a compiled regular expression of text, not {body!r}")


def _check_status(status: object) -> None:
    __tracebackhide__ = True
    if callable(status) or (isinstance(status, int) and not isinstance(status, bool) and 100 <= status < 600):
        return
    several = cast("Collection[object]", status) if isinstance(status, Collection) else ()
    if isinstance(status, str | bytes) or not several or not all(isinstance(one, int) for one in several):
        raise ValueError(f"wait.http: status must be a number, a range of numbers or a function, not {status!r}")


def _is_text_pattern(body: object) -> bool:
    return isinstance(body, re.Pattern) and isinstance(cast("re.Pattern[Any]", body).pattern, str)


def _fields(headers: Mapping[str, str] | None) -> dict[str, str]:
    __tracebackhide__ = True
    for name, value in cast("Mapping[object, object]", headers or {}).items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name) or not isinstance(value, str) or "\n" in value:
            raise ValueError(f"wait.http: headers must map names to text, but hold {name!r}: {value!r}")
    return dict(headers or {})


def _basic(auth: tuple[str, str]) -> str:
    """RFC 7617."""
    __tracebackhide__ = True
    pair = cast("object", auth)
    if not isinstance(pair, tuple) or [type(one) for one in cast("tuple[object, ...]", pair)] != [str, str]:
        raise ValueError("wait.http: auth must be a pair of texts: user and password")
    return "Basic " + base64.b64encode(":".join(auth).encode()).decode()
