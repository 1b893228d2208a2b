"""Real databases, fresh in every test: images with the ENTRYPOINT, VOLUME, EXPOSE and USER of the official ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import databases
from tests.plugin.conftest import ELSEWHERE

Run = Callable[..., pytest.RunResult]

TESTS = """
    import pytest
    @pytest.mark.parametrize("number", range(4))
    def test_fresh(db, number):
        assert ask(db, "select count(*) from item") == "2"
        ask(db, "delete from item")
        assert ask(db, "select count(*) from item") == "0"
"""
FROZEN = """
    def test_what_is_frozen_is_no_volume(db):
        assert db.inspect()["Mounts"] == []
"""
OURS, PASSED = ("", 4) if ELSEWHERE else (FROZEN, 5)  # others fill a volume for each container
SCHEMA = "CREATE TABLE item(name varchar(9)); INSERT INTO item VALUES ('a'), ('b');"


def _conftest(made: databases.Database, definition: str) -> str:
    return f"""
        from pathlib import Path
        from pytest_containers import container, image, wait
        machine = image(archive={str(made.archive)!r}, changes={tuple(made.changes)!r})
        db = container(machine, snapshot=True, {definition})
    """


@pytest.mark.needs("other-users")
def test_postgresql(run: Run, tmp_path: Path, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("schema.sql").write_text(SCHEMA)
    wait = "wait.log('ready to accept connections', times=2) & wait.port(5432)"
    definition = f"env={{'POSTGRES_DB': 'shop'}}, seed=Path('schema.sql'), wait={wait}"
    ask = """
    def ask(db, sql):
        return db.exec(["psql", "-XAtqU", "postgres", "-d", "shop", "-c", sql], check=True).stdout.strip()
    """
    run(conftest=_conftest(databases.postgres(tmp_path), definition), test_it=ask + TESTS + OURS).assert_outcomes(
        passed=PASSED
    )


@pytest.mark.needs("other-users")
def test_mariadb(run: Run, tmp_path: Path) -> None:
    definition = f"env={{'MARIADB_DATABASE': 'shop', 'MARIADB_ALLOW_EMPTY_ROOT_PASSWORD': '1'}}, seed={SCHEMA!r}, "
    definition += "wait=wait.log('ready for connections') & wait.port(3306)"
    ask = """
    def ask(db, sql):
        return db.exec(["mariadb", "-u", "root", "-N", "shop", "-e", sql], check=True).stdout.strip()
    """
    run(conftest=_conftest(databases.mariadb(tmp_path), definition), test_it=ask + TESTS + OURS).assert_outcomes(
        passed=PASSED
    )


@pytest.mark.needs("other-users")
def test_redis(run: Run, tmp_path: Path) -> None:
    run(
        conftest=_conftest(databases.redis(tmp_path), "seed='SET item 2', wait=wait.port(6379)"),
        test_it="""
            import pytest
            @pytest.mark.parametrize("number", range(4))
            def test_fresh(db, number):
                assert db.exec("redis-cli INCR item").stdout.strip() == "3"
        """,
    ).assert_outcomes(passed=4)
