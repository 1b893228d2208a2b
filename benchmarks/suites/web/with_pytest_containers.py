from urllib.request import urlopen

from pytest_containers import Container, container, network, wait

SCHEMA = "CREATE TABLE item(name text); INSERT INTO item VALUES ('chair'), ('table');"
backend = network(scope="module")
cache = container("suites/redis:1", scope="module", network=backend)
db = container(
    "suites/postgres:1",
    scope="module",
    network=backend,
    env={"POSTGRES_DB": "shop"},
    snapshot=True,
    seed=SCHEMA,
    wait=wait.log("ready to accept connections", times=2),
)
shop = container(
    "suites/shop:1",
    scope="module",
    network=backend,
    env={"CACHE": "cache", "DATABASE": "postgresql://postgres@db/shop"},
)


def test_shop(cache: Container, db: Container, shop: Container, number: int) -> None:
    with urlopen(f"{shop.url(8080)}/cgi-bin/shop") as answer:
        assert answer.read() == b"%d visits\n2 articles\n" % (number + 1)
