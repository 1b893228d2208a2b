"""Whether a registry takes a user's credentials: what ``docker login`` asks (distribution specification, /v2/)."""

from __future__ import annotations

from typing import Any

from container_runtime.errors import EngineError, Unauthorized
from container_runtime.images.authentication import Authenticator
from container_runtime.images.registry import endpoints, innermost, is_loopback

_TIMEOUT = (10.0, 30.0)  # seconds to connect; seconds without a byte
_HUB = ("", "docker.io", "index.docker.io", "registry-1.docker.io")


def address_of(server: str) -> str:
    """The address of a registry as ``docker login`` names it: a host, a URL, or nothing for Docker's own."""
    host = server.partition("://")[2] or server
    host = host.partition("/")[0]
    return endpoints("docker.io" if host in _HUB else host)[-1]


def check(server: str, credentials: dict[str, Any]) -> None:
    """Return where the registry takes the credentials.

    Raises:
        Unauthorized: it does not.
        EngineError: it cannot be reached, or is no registry.
    """
    import requests

    address = address_of(server)
    url = f"{address}/v2/"
    auth = Authenticator(credentials, "", secure=address.startswith("https:"))
    with requests.Session() as session:
        if is_loopback(address.partition("://")[2]):
            session.trust_env = False  # a proxy cannot know this machine's loopback
        try:
            response = session.get(url, auth=auth, timeout=_TIMEOUT, stream=True)
            if response.status_code == 401 and auth.answer(session, response, _TIMEOUT):
                response.close()
                response = session.get(url, auth=auth, timeout=_TIMEOUT, stream=True)
        except (requests.RequestException, UnicodeError) as error:  # UnicodeError: a host that can be no name
            raise EngineError(f'Get "{url}": {innermost(error)}') from None
        with response:
            status = response.status_code
    if status == 401:
        raise Unauthorized(f'Get "{url}": unauthorized: authentication required: wrong user name or password')
    if status != 200:
        raise EngineError(f"login attempt to {url} failed with status: {status} {response.reason}")
