import redis
from pytest_docker_tools import container, image
from pytest_docker_tools.wrappers import Container

cache_image = image(name="suites/redis:1")
cache = container(image="{cache_image.id}", ports={"6379/tcp": None})


def test_first_visit(cache: Container, number: int) -> None:
    with redis.Redis(*cache.get_addr("6379/tcp")) as client:
        assert client.incr("visits") == 1
