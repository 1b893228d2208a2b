"""One server for all workers of `pytest -n 4`, and in it a part for each, so that no test sees another's data."""

import pytest

from pytest_containers import Container, container, wait


class Redis(Container):
    """The fixture's value, with methods that this suite wants."""

    def ask(self, *words: str) -> str:
        return self.exec(["redis-cli", *words], check=True).stdout.strip()


# In a suite of yours: container("redis:7", shared=True, cls=Redis)
cache = container("host", "redis-server --save ''", shared=True, cls=Redis, wait=wait.port(6379))


@pytest.fixture(scope="session")
def prefix(cache: Redis) -> str:
    """The worker's name, such as gw0: its part of the server. A function given to slice() could make a database."""
    return cache.slice()


@pytest.fixture
def key(cache: Redis, prefix: str, request: pytest.FixtureRequest) -> str:
    cache.ask("DEL", f"{prefix}:visits")
    return f"{prefix}:visits"


@pytest.mark.parametrize("visits", range(1, 7))
def test_counts(cache: Redis, key: str, visits: int) -> None:
    for _ in range(visits):
        cache.ask("INCR", key)
    assert cache.ask("GET", key) == str(visits)
