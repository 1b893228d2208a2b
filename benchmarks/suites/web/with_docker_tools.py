from urllib.request import urlopen

import pytest
from pytest_docker_tools import container, image, network
from pytest_docker_tools.wrappers import Container

SCHEMA = "CREATE TABLE item(name text); INSERT INTO item VALUES ('chair'), ('table');"


class Server(Container):
    def ready(self) -> bool:
        return super().ready() and self.logs().count("ready to accept connections") == 2


backend = network(scope="module")
cache_image = image(name="suites/redis:1")
db_image = image(name="suites/postgres:1")
shop_image = image(name="suites/shop:1")
cache = container(image="{cache_image.id}", scope="module", network="{backend.name}", name="cache")
db = container(
    image="{db_image.id}",
    scope="module",
    network="{backend.name}",
    name="db",
    command="postgres -c fsync=off",
    environment={"POSTGRES_DB": "shop"},
    wrapper_class=Server,
)
shop_container = container(
    image="{shop_image.id}",
    scope="module",
    network="{backend.name}",
    environment={"CACHE": "{cache.name}", "DATABASE": "postgresql://postgres@{db.name}/shop"},
    ports={"8080/tcp": None},
)


@pytest.fixture(scope="module")
def shop(db: Container, shop_container: Container) -> str:
    assert db.exec_run(["psql", "-U", "postgres", "-d", "shop", "-c", SCHEMA]).exit_code == 0
    host, port = shop_container.get_addr("8080/tcp")
    return f"http://{host}:{port}"


def test_shop(shop: str, number: int) -> None:
    with urlopen(f"{shop}/cgi-bin/shop") as answer:
        assert answer.read() == b"%d visits\n2 articles\n" % (number + 1)
