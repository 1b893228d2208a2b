from collections.abc import Iterator

import pytest
from testcontainers.community.redis import RedisContainer


@pytest.fixture
def cache() -> Iterator[RedisContainer]:
    with RedisContainer("suites/redis:1") as container:
        yield container


def test_first_visit(cache: RedisContainer, number: int) -> None:
    with cache.get_client() as client:
        assert client.incr("visits") == 1
