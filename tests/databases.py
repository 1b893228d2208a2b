"""Images of PostgreSQL, MariaDB and Redis as the official ones are: ENTRYPOINT, VOLUME, EXPOSE, and a user of its own.

They are made of the machine's own programs (the Debian packages postgresql, mariadb-server-core, mariadb-client-core,
redis-server and busybox-static) as tar archives of root filesystems, with the Dockerfile instructions for an import.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

from tests.registry import Layer, busybox_layer

_ENTRYPOINT = b"""#!/bin/sh
# As the official image's: initialise an empty directory, run what is to be run once, become the server.
set -e
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb -D "$PGDATA" -U "${POSTGRES_USER:-postgres}" --auth=trust --locale=C --encoding=UTF8
  echo 'host all all all trust' >> "$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  if [ "${POSTGRES_DB:-postgres}" != postgres ]; then
    psql -X -U "${POSTGRES_USER:-postgres}" -d postgres -c "CREATE DATABASE $POSTGRES_DB"
  fi
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
if [ "$1" = mariadbd ] && [ ! -d /var/lib/mysql/mysql ]; then
  mariadb-install-db --datadir=/var/lib/mysql --auth-root-authentication-method=normal --skip-test-db --force
  if [ -n "$MARIADB_DATABASE" ]; then
    echo "CREATE DATABASE \\`$MARIADB_DATABASE\\`;" | mariadbd --bootstrap --datadir=/var/lib/mysql
  fi
fi
exec "$@"
"""


class Database(NamedTuple):
    """An image that is to be imported."""

    archive: Path
    changes: list[str]


def _instructions(user: str, volume: str, port: int, command: str, *more: str) -> list[str]:
    return [
        f"USER {user}",
        f"VOLUME {volume}",
        f"EXPOSE {port}",
        'ENTRYPOINT ["/entrypoint.sh"]',
        f'CMD ["{command}"]',
        *more,
    ]


def _base(user: str, data: str) -> Layer:
    layer = busybox_layer()
    layer.add("entrypoint.sh", data=_ENTRYPOINT, mode=0o755)
    layer.add("etc/passwd", data=f"root:x:0:0:root:/root:/bin/sh\n{user}:x:999:999::{data}:/bin/sh\n".encode())
    layer.add("etc/group", data=f"root:x:0:\n{user}:x:999:\n".encode())
    return layer.directory(data.strip("/"), uid=999, gid=999, mode=0o700)


def _libraries(layer: Layer, programs: list[str]) -> None:
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    for library in sorted(set(re.findall(r"(/\S+) \(0x", listed))):
        layer.file_of_host(library)


def _trees(layer: Layer, *directories: str) -> None:
    for directory in directories:
        for path in sorted(Path(directory).rglob("*")):
            if path.is_file() and not {"bitcode", "pgxs", "llvmjit.so"} & set(path.parts):
                layer.file_of_host(str(path))


def archive(layer: Layer, path: Path) -> Path:
    """Of several entries of a name the last: Docker refuses to import others."""
    with tarfile.open(fileobj=io.BytesIO(layer.bytes())) as given, tarfile.open(path, "w") as made:
        last = {member.name: member for member in given}
        for member in given.getmembers():
            if last[member.name] is member:
                made.addfile(member, given.extractfile(member) if member.isreg() else None)
    return path


def postgres_home() -> Path:
    """Where the newest PostgreSQL that is installed has its programs."""
    return max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name))


def postgres(directory: Path) -> Database:
    """PostgreSQL of the newest version that is installed; stopped by SIGINT, as the official image is."""
    home = postgres_home()
    layer = _base("postgres", "/var/lib/postgresql/data")
    layer.directory("var/run/postgresql", uid=999, gid=999, mode=0o755)
    names = ("initdb", "pg_ctl", "postgres", "psql", "createdb", "dropdb")
    for name in names:
        layer.file_of_host(str(home / "bin" / name))
    _trees(layer, f"{home}/lib", f"/usr/share/postgresql/{home.name}")
    _libraries(
        layer,
        [
            *(str(home / "bin" / name) for name in names),
            *(str(path) for path in (home / "lib").glob("*.so") if path.name != "llvmjit.so"),
        ],
    )
    layer.file_of_host("/usr/share/zoneinfo/Etc/UTC")
    changes = _instructions("postgres", "/var/lib/postgresql/data", 5432, "postgres", "STOPSIGNAL SIGINT")
    changes += [f"ENV PATH={home}/bin:/bin", "ENV PGDATA=/var/lib/postgresql/data"]
    return Database(archive(layer, directory / "postgres.tar"), changes)


def mariadb(directory: Path) -> Database:
    """MariaDB, whose data lie in /var/lib/mysql."""
    layer = _base("mysql", "/var/lib/mysql")
    layer.directory("run/mysqld", uid=999, gid=999)
    programs = [shutil.which(name) or f"/usr/sbin/{name}" for name in ("mariadbd", "mariadb", "my_print_defaults")]
    for program in (*programs, shutil.which("mariadb-install-db") or ""):
        layer.file_of_host(str(Path(program).resolve()), program.lstrip("/"))
    _libraries(layer, programs)
    _trees(layer, "/usr/share/mysql", "/usr/share/mariadb")
    changes = _instructions("mysql", "/var/lib/mysql", 3306, "mariadbd", "ENV PATH=/usr/bin:/usr/sbin:/bin")
    return Database(archive(layer, directory / "mariadb.tar"), changes)


def redis(directory: Path) -> Database:
    """Redis, which writes /data when it is stopped."""
    layer = _base("redis", "/data")
    for name in ("redis-server", "redis-cli"):
        layer.program(shutil.which(name) or f"/usr/bin/{name}")
    changes = _instructions("redis", "/data", 6379, "redis-server", "WORKDIR /data", "ENV PATH=/usr/bin:/bin")
    changes[4] = 'CMD ["redis-server", "--protected-mode", "no", "--save", "3600 1"]'
    return Database(archive(layer, directory / "redis.tar"), changes)
