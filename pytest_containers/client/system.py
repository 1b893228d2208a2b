"""The engine itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_containers.client.http import Transport
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

    def shutdown(self) -> None:
        """Ask our engine to end with all it holds (NotFoundError on other engines); it ends after the answer."""
        self._transport.request("POST", "/x-pytest-containers/shutdown")
