import psycopg
import pytest
from pytest_docker_tools import container, image
from pytest_docker_tools.wrappers import Container

SCHEMA = "CREATE TABLE item(name text); INSERT INTO item VALUES ('chair'), ('table');"


class Server(Container):
    def ready(self) -> bool:
        return super().ready() and self.logs().count("ready to accept connections") == 2


server_image = image(name="suites/postgres:1")
server = container(
    image="{server_image.id}",
    command="postgres -c fsync=off",
    environment={"POSTGRES_DB": "shop"},
    ports={"5432/tcp": None},
    wrapper_class=Server,
)


@pytest.fixture
def db(server: Container) -> str:
    host, port = server.get_addr("5432/tcp")
    url = f"postgresql://postgres@{host}:{port}/shop"
    with psycopg.connect(url) as connection:
        connection.execute(SCHEMA)
    return url


def test_sell(db: str, number: int) -> None:
    with psycopg.connect(db) as connection:
        assert connection.execute("DELETE FROM item").rowcount == 2
