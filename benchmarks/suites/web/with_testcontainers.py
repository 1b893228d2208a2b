from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import PortWaitStrategy

SCHEMA = "CREATE TABLE item(name text); INSERT INTO item VALUES ('chair'), ('table');"


@pytest.fixture(scope="module")
def backend() -> Iterator[Network]:
    with Network() as network:
        yield network


@pytest.fixture(scope="module")
def cache(backend: Network) -> Iterator[RedisContainer]:
    container = RedisContainer("suites/redis:1").with_network(backend).with_network_aliases("cache")
    with container:
        yield container


@pytest.fixture(scope="module")
def db(backend: Network) -> Iterator[PostgresContainer]:
    server = PostgresContainer("suites/postgres:1", username="postgres", dbname="shop")
    server.with_network(backend).with_network_aliases("db").with_command("postgres -c fsync=off")
    with server:
        assert server.exec(["psql", "-U", "postgres", "-d", "shop", "-c", SCHEMA]).exit_code == 0
        yield server


@pytest.fixture(scope="module")
def shop(backend: Network, cache: RedisContainer, db: PostgresContainer) -> Iterator[str]:
    container = DockerContainer("suites/shop:1").with_network(backend).with_exposed_ports(8080)
    container.with_envs(CACHE="cache", DATABASE="postgresql://postgres@db/shop")
    with container.waiting_for(PortWaitStrategy(8080)):
        yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8080)}"


def test_shop(shop: str, number: int) -> None:
    with urlopen(f"{shop}/cgi-bin/shop") as answer:
        assert answer.read() == b"%d visits\n2 articles\n" % (number + 1)
