"""``seed=``: what a container gets once, when it is ready, before it is frozen."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pytest_containers.errors import ContainerError, translated
from pytest_containers.files import Content, check_files, pack

if TYPE_CHECKING:
    from pytest_containers.definition import Command
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

_CLIENT = """
name=${POSTGRES_USER:-postgres} database=${MARIADB_DATABASE:-$MYSQL_DATABASE}
has() { command -v "$1" >/dev/null 2>&1; }
if [ -z "$MARIADB_ROOT_PASSWORD$MYSQL_ROOT_PASSWORD$MARIADB_ALLOW_EMPTY_ROOT_PASSWORD$MYSQL_ALLOW_EMPTY_PASSWORD" ]
then
  has psql && exec psql -X -q -v ON_ERROR_STOP=1 -U "$name" -d "${POSTGRES_DB:-$name}"
fi
export MYSQL_PWD="${MARIADB_ROOT_PASSWORD:-$MYSQL_ROOT_PASSWORD}"
for client in mariadb mysql; do has $client && exec $client -u root $database; done
for client in redis-cli valkey-cli; do has $client && exec $client -e; done
echo "no psql, mariadb, mysql, redis-cli or valkey-cli here: name one with SQL(..., client=...)" >&2
exit 127
"""
"""Of the official images: the variables that tell of the server, and who may do everything."""


@dataclass(frozen=True)
class SQL:
    """Statements for a database: text, or the path of a file with them, piped to a client in the container.

    ``client``: the command that reads them; by default psql, mariadb or mysql as the administrator, in the database
    that the official images' variables name, or redis-cli.
    """

    text: str | os.PathLike[str]
    client: Command | None = None

    def statements(self) -> bytes:
        """What is piped; OSError where the file cannot be read."""
        return self.text.encode() if isinstance(self.text, str) else Path(self.text).read_bytes()


Seed: TypeAlias = "str | os.PathLike[str] | SQL | Mapping[str, Content] | Callable[[Container], Any]"
"""SQL text, the path of a file with SQL, ``SQL``, files by their paths, or a function that gets the container."""


def steps(seed: object) -> list[object]:
    """The single seeds; TypeError or ValueError for what is none."""
    found = list(cast("Sequence[object]", seed)) if isinstance(seed, list | tuple) else [seed]
    for one in found:
        if isinstance(one, Mapping):
            check_files(cast("Mapping[object, object]", one), absolute=True)
        elif not isinstance(one, str | os.PathLike | SQL) and not callable(one):
            raise TypeError(f"seed must be SQL text, a path, SQL(…), a mapping of files or a function, not {one!r}")
    return found


def apply(engine: Engine, container: Container, seed: object) -> None:
    """Give a container that is ready what it is to be seeded with.

    Raises:
        ContainerError: a client failed, or a file cannot be read.
    """
    __tracebackhide__ = True
    for one in steps(seed):
        if isinstance(one, Mapping):
            _put(engine, container, cast("Mapping[str, Content]", one))
        elif isinstance(one, str | os.PathLike | SQL):
            _pipe(container, one if isinstance(one, SQL) else SQL(cast("str", one)))
        else:
            cast("Callable[[Container], Any]", one)(container)


def _put(engine: Engine, container: Container, files: Mapping[str, Content]) -> None:
    __tracebackhide__ = True
    with translated(f"seed of {container!r}"):
        try:
            engine.client.containers.put_archive(container.id, "/", pack(files))
        except OSError as error:
            raise ContainerError(f"seed of {container!r}: {error.filename}: {error.strerror}") from None


def _pipe(container: Container, sql: SQL) -> None:
    __tracebackhide__ = True
    try:
        statements = sql.statements()
    except OSError as error:
        raise ContainerError(f"seed of {container!r}: {error.filename}: {error.strerror}") from None
    result = container.exec(sql.client or ["sh", "-c", _CLIENT], stdin=statements)
    if result.exit_code:
        where = "" if isinstance(sql.text, str) else f" {os.fspath(sql.text)}"
        raise ContainerError(
            f"seed{where} of {container!r}: the client ended with exit code {result.exit_code}: {result.text.strip()}"
        )
