"""A thin client of the Docker Engine API, for our own engine, Docker and Podman.

Importing it is cheap; each part is imported when it is first used.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

from pytest_containers.client.errors import (
    APIError,
    BadRequestError,
    ClientError,
    ConflictError,
    EngineUnreachable,
    NotFoundError,
    ServerError,
)

if TYPE_CHECKING:
    from pytest_containers.client.address import Address
    from pytest_containers.client.containers import Containers
    from pytest_containers.client.execs import Execs
    from pytest_containers.client.http import Transport
    from pytest_containers.client.images import Images
    from pytest_containers.client.networks import Networks
    from pytest_containers.client.system import System
    from pytest_containers.client.volumes import Volumes

__all__ = [
    "APIError",
    "BadRequestError",
    "Client",
    "ClientError",
    "ConflictError",
    "EngineUnreachable",
    "NotFoundError",
    "ServerError",
]


class Client:
    """One engine. Safe for many threads; connections are kept alive and reused.

    ``base_url`` is ``unix:///path``, ``tcp://host:port``, ``ssh://user@host``, an ``Address``, or None for
    ``DOCKER_HOST`` and, without it, Docker's default socket. ``timeout`` limits each wait for the engine in seconds
    (None: no limit). Errors are ClientError's children.
    """

    def __init__(self, base_url: str | Address | None = None, timeout: float | None = None) -> None:
        self._base_url = base_url
        self._timeout = timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The engine's address."""
        return self.transport.address.url

    @cached_property
    def transport(self) -> Transport:
        """The HTTP below."""
        from pytest_containers.client.http import Transport

        return Transport(self._base_url, self._timeout)

    @cached_property
    def system(self) -> System:
        """The engine itself: ping, version, info, shutdown."""
        from pytest_containers.client.system import System

        return System(self.transport)

    @cached_property
    def containers(self) -> Containers:
        """Containers."""
        from pytest_containers.client.containers import Containers

        return Containers(self.transport)

    @cached_property
    def execs(self) -> Execs:
        """Commands inside containers."""
        from pytest_containers.client.execs import Execs

        return Execs(self.transport)

    @cached_property
    def images(self) -> Images:
        """Images."""
        from pytest_containers.client.images import Images

        return Images(self.transport)

    @cached_property
    def networks(self) -> Networks:
        """Networks."""
        from pytest_containers.client.networks import Networks

        return Networks(self.transport)

    @cached_property
    def volumes(self) -> Volumes:
        """Volumes."""
        from pytest_containers.client.volumes import Volumes

        return Volumes(self.transport)

    def close(self) -> None:
        """Close the idle connections; the client can still be used."""
        if "transport" in self.__dict__:
            self.transport.close()
