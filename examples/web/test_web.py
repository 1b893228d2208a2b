from urllib.request import urlopen

from pytest_containers import Container


def items(app: Container) -> tuple[str, str]:
    with urlopen(app.url(8000) + "/items", timeout=10) as answer:
        return answer.read().decode(), answer.headers["X-Cache"]


def test_second_answer_comes_from_the_cache(app: Container, db: Container, cache: Container) -> None:
    assert items(app) == ("ink,pen", "miss")
    db.exec(["psql", "-U", "postgres", "-c", "DELETE FROM item WHERE name = 'ink'"], check=True)
    assert items(app) == ("ink,pen", "hit")
    cache.exec("redis-cli FLUSHALL", check=True)
    assert items(app) == ("pen", "miss")


def test_survives_a_restart_of_the_cache(app: Container, cache: Container) -> None:
    cache.restart()  # it keeps its address; ready again when this returns
    assert items(app) == ("ink,pen", "miss")
    assert items(app) == ("ink,pen", "hit")
