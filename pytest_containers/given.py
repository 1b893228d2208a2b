"""The fixtures that every test has: factories of containers, and the engine's address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_containers.factory import Containers

NAMES = frozenset(
    (
        "containers",
        "class_containers",
        "module_containers",
        "package_containers",
        "session_containers",
        "container_engine",
    )
)
"""Those that need an engine."""


def _factory(request: pytest.FixtureRequest) -> Generator[Containers]:
    from pytest_containers.factory import Containers

    factory = Containers.of(request.node)
    yield factory
    factory.close()


@pytest.fixture
def containers(request: pytest.FixtureRequest) -> Generator[Containers]:
    """Start containers from a test: ``containers.run("host", ["true"])``; they are removed after it."""
    yield from _factory(request)


@pytest.fixture(scope="class")
def class_containers(request: pytest.FixtureRequest) -> Generator[Containers]:
    """As ``containers``, for a class."""
    yield from _factory(request)


@pytest.fixture(scope="module")
def module_containers(request: pytest.FixtureRequest) -> Generator[Containers]:
    """As ``containers``, for a module."""
    yield from _factory(request)


@pytest.fixture(scope="package")
def package_containers(request: pytest.FixtureRequest) -> Generator[Containers]:
    """As ``containers``, for a package."""
    yield from _factory(request)


@pytest.fixture(scope="session")
def session_containers(request: pytest.FixtureRequest) -> Generator[Containers]:
    """As ``containers``, for the session."""
    yield from _factory(request)


@pytest.fixture(scope="session")
def container_engine(request: pytest.FixtureRequest) -> str:
    """The address of the run's engine, such as ``unix:///…/docker.sock``, for other clients of Docker's API."""
    from pytest_containers.errors import ContainerError
    from pytest_containers.session import engine_of, failure

    __tracebackhide__ = True
    try:
        engine = engine_of(request.config)
        engine.client.system.ping()
    except ContainerError as error:
        raise failure(error) from None
    return engine.url


@pytest.fixture
def docker_host(container_engine: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The engine's address, with DOCKER_HOST set to it: docker-py and the docker command meet the same engine."""
    monkeypatch.setenv("DOCKER_HOST", container_engine)
    return container_engine
