import pytest

from pytest_containers import Container


def ask(db: Container, sql: str) -> str:
    """One statement, by the client in the image; a suite of yours connects its driver to db.host and db.port(5432)."""
    return db.exec(["psql", "-XAtqU", "postgres", "-d", "shop", "-c", sql], check=True).stdout.strip()


def test_starts_from_the_seed(db: Container) -> None:
    assert ask(db, "SELECT sum(price) FROM item") == "7"


def test_may_break_everything(db: Container) -> None:
    ask(db, "DROP TABLE item")


@pytest.mark.parametrize("price", [1, 2, 3])
def test_is_fresh_again(db: Container, price: int) -> None:
    ask(db, f"INSERT INTO item VALUES ('nib', {price})")
    assert ask(db, "SELECT count(*) FROM item") == "3"


def test_returns_to_a_checkpoint(db: Container) -> None:
    ask(db, "INSERT INTO item VALUES ('nib', 1)")
    db.checkpoint()
    ask(db, "DELETE FROM item")
    db.restore()
    assert ask(db, "SELECT count(*) FROM item") == "3"
