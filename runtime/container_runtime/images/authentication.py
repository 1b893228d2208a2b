"""How a registry is told who asks: Basic, or a token from the server that its challenge names.

RFC 7235 for the challenge, distribution's "Token Authentication Specification" for the token.
"""

from __future__ import annotations

import base64
import re
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from container_runtime.errors import EngineError, Unauthorized
from container_runtime.images.files import parse_object

if TYPE_CHECKING:
    import requests

_SCHEME = re.compile(r"\s*([A-Za-z]+)\s*")
_PARAMETER = re.compile(r'\s*([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?')
_CLIENT = "pytest-containers"
_MAX_TOKEN = 1 << 20


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """The scheme, in lower case, and the parameters of a ``WWW-Authenticate`` header; the first challenge counts."""
    match = _SCHEME.match(header)
    if match is None:
        return "", {}
    parameters: dict[str, str] = {}
    position = match.end()
    while found := _PARAMETER.match(header, position):
        quoted = found[2]
        parameters[found[1].lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found[3]
        position = found.end()
    return match[1].lower(), parameters


class Authenticator:
    """The ``auth`` of every request to one registry for one repository; safe for several threads.

    ``credentials`` is Docker's X-Registry-Auth: username and password, or identitytoken, or registrytoken. Without a
    challenge nothing is sent. (As an ``auth`` object it also keeps requests from sending what ~/.netrc has.)
    """

    def __init__(self, credentials: dict[str, Any] | None, scope: str, *, secure: bool) -> None:
        self._credentials = credentials or {}
        self._scope = scope
        self._secure = secure
        self._lock = Lock()
        self._header = ""
        if token := self._credentials.get("registrytoken"):
            self._header = f"Bearer {token}"

    @property
    def has_credentials(self) -> bool:
        """Whether the user gave any."""
        return any(self._credentials.get(key) for key in ("username", "identitytoken", "registrytoken"))

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""
        if self._header:
            request.headers["Authorization"] = self._header
        return request

    def answer(self, session: requests.Session, response: requests.Response, timeout: tuple[float, float]) -> bool:
        """Meet the challenge of a 401; False where that was done already or cannot be done.

        Raises:
            Unauthorized: the token server refuses the credentials.
            EngineError: the token server does not answer as it should.
        """
        used = response.request.headers.get("Authorization", "")
        scheme, parameters = parse_challenge(response.headers.get("WWW-Authenticate", ""))
        with self._lock:
            if self._header and self._header != used:
                return True  # another thread has met it in the meantime
            if scheme == "basic" and not used and self._basic():
                self._header = self._basic()
                return True
            if scheme == "bearer" and not self._credentials.get("registrytoken"):
                fresh = self._token(session, parameters, timeout)
                done, self._header = fresh != used, fresh
                return done
        return False

    def _basic(self) -> str:
        name, password = self._credentials.get("username"), self._credentials.get("password")
        if not name or password is None:
            return ""
        return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

    def _token(self, session: requests.Session, parameters: dict[str, str], timeout: tuple[float, float]) -> str:
        realm = parameters.get("realm", "")
        if urlsplit(realm).scheme not in ({"https"} if self._secure else {"http", "https"}):
            raise EngineError(f"the registry names {realm!r} as its token server, which is no https address")
        query = {"service": parameters.get("service", ""), "scope": parameters.get("scope") or self._scope}
        query = {key: value for key, value in query.items() if value}
        identity = self._credentials.get("identitytoken")
        if identity:
            form = {**query, "grant_type": "refresh_token", "refresh_token": str(identity), "client_id": _CLIENT}
            response = session.post(realm, data=form, auth=_nothing, timeout=timeout, stream=True)
        else:
            header = {"Authorization": self._basic()} if self._basic() else {}
            response = session.get(realm, params=query, headers=header, auth=_nothing, timeout=timeout, stream=True)
        host = urlsplit(realm).netloc
        with response:
            if response.status_code in {400, 401, 403}:
                raise Unauthorized(f"the token server {host} refuses access: wrong user name or password, or no right")
            data: bytes = response.raw.read(_MAX_TOKEN, decode_content=True)
        return "Bearer " + _token_in(data, host, response.status_code)


def _token_in(data: bytes, host: str, status: int) -> str:
    answer = parse_object(data) or {}
    token = answer.get("token") or answer.get("access_token")
    if status != 200 or not isinstance(token, str) or not token.isprintable():
        raise EngineError(f"the token server {host} answers {status} without a token")
    return token


def _nothing(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
