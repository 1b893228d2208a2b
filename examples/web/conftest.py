"""A web application, its database and its cache, in a private network, all of them fresh for each test."""

from pathlib import Path

from examples.machine import postgres, redis
from pytest_containers import Container, ContainerSpec, Network, container, network, wait

backend = network()
cache = container(redis, network=backend)  # in a suite of yours: "redis:7"
db = container(
    postgres,  # "postgres:17"
    network=backend,
    env={"POSTGRES_PASSWORD": "secret"},
    wait=wait.log("ready to accept connections", times=2) & wait.port(5432),
    seed="CREATE TABLE item (name text); INSERT INTO item VALUES ('pen'), ('ink')",
    snapshot=True,
)


@container.define
def app(backend: Network, db: Container, cache: Container) -> ContainerSpec:
    return ContainerSpec(
        image="host",
        command="python3 /app.py",
        files={"/app.py": Path(__file__).with_name("app.py")},
        network=backend,
        env={"PGHOST": "db", "PGUSER": "postgres", "PGPASSWORD": "secret", "CACHE": cache.address(6379)},
        wait=wait.http(port=8000),
    )
