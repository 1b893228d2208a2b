import redis

from pytest_containers import Container, container

cache = container("suites/redis:1")


def test_first_visit(cache: Container, number: int) -> None:
    with redis.Redis(cache.host, cache.port(6379)) as client:
        assert client.incr("visits") == 1
