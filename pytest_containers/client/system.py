"""The engine itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.http import Transport
    from pytest_containers.client.observation import EventStream
    from pytest_containers.client.types import Version


class System:
    """``client.system``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def ping(self) -> None:
        """Return when the engine answers; raise EngineUnreachable otherwise."""
        self._transport.request("GET", "/_ping")

    def version(self) -> Version:
        """Return what the engine is and which API it speaks."""
        return self._transport.request("GET", "/version").json()

    def info(self) -> dict[str, Any]:
        """Return what the engine says about itself and its machine."""
        return self._transport.request("GET", "/info").json()

    def df(self, types: list[str] | None = None) -> dict[str, Any]:
        """Return what images, containers, volumes and the build cache take up, in bytes.

        ``types``: some of ``container``, ``image``, ``volume``, ``build-cache``; by default all.
        """
        return self._transport.request("GET", "/system/df", query={"type": types}).json()

    def events(
        self,
        *,
        since: str | float | None = None,
        until: str | float | None = None,
        filters: Mapping[str, list[str]] | None = None,
    ) -> EventStream:
        """Return what happens as a stream; ``since``, ``until``: seconds since 1970, by default now and never."""
        from pytest_containers.client.observation import EventStream

        query = {
            "since": None if since is None else str(since),
            "until": None if until is None else str(until),
            "filters": json.dumps(dict(filters)) if filters else None,
        }
        return EventStream(self._transport.stream("GET", "/events", query=query))

    def login(self, username: str, password: str, registry: str = "") -> str:
        """Check credentials with a registry (by default Docker's), and return its token, empty where it has none.

        Raises APIError where the registry refuses them or cannot be reached.
        """
        body = {"username": username, "password": password, "serveraddress": registry}
        return str(self._transport.request("POST", "/auth", body=body).json().get("IdentityToken") or "")

    def shutdown(self) -> None:
        """Ask our engine to end with all it holds (NotFoundError on other engines); it ends after the answer."""
        self._transport.request("POST", "/x-pytest-containers/shutdown")

    def keep(self) -> None:
        """Ask our engine to stay when the run ends (NotFoundError on other engines), until ``shutdown`` or idle."""
        self._transport.request("POST", "/x-pytest-containers/keep")
