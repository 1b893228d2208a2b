import psycopg

from pytest_containers import Container, container, wait

SCHEMA = "CREATE TABLE item(name text); INSERT INTO item VALUES ('chair'), ('table');"
db = container(
    "suites/postgres:1",
    env={"POSTGRES_DB": "shop"},
    snapshot=True,
    seed=SCHEMA,
    wait=wait.log("ready to accept connections", times=2),
)


def test_sell(db: Container, number: int) -> None:
    with psycopg.connect(f"{db.url(5432, 'postgresql')}/shop?user=postgres") as connection:
        assert connection.execute("DELETE FROM item").rowcount == 2
