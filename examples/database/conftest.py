"""PostgreSQL, fresh in every test: started, seeded and stopped once, then frozen; each test starts from there."""

from pathlib import Path

from examples.machine import postgres
from pytest_containers import container, wait

db = container(
    postgres,  # in a suite of yours: "postgres:17"
    env={"POSTGRES_DB": "shop", "POSTGRES_PASSWORD": "secret"},
    wait=wait.log("ready to accept connections", times=2) & wait.port(5432),
    seed=Path(__file__).with_name("schema.sql"),
    snapshot=True,
)
