from collections.abc import Iterator

import psycopg
import pytest
from testcontainers.community.postgres import PostgresContainer

SCHEMA = "CREATE TABLE item(name text); INSERT INTO item VALUES ('chair'), ('table');"


@pytest.fixture
def db() -> Iterator[str]:
    server = PostgresContainer("suites/postgres:1", dbname="shop", driver=None)
    with server.with_command("postgres -c fsync=off"):
        url = server.get_connection_url()
        with psycopg.connect(url) as connection:
            connection.execute(SCHEMA)
        yield url


def test_sell(db: str, number: int) -> None:
    with psycopg.connect(db) as connection:
        assert connection.execute("DELETE FROM item").rowcount == 2
