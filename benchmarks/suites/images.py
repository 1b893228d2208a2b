"""The images that the suites run, the same for every engine: a cache, a database, and a web shop that uses both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import databases
from tests.registry import busybox_layer

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_containers.client import Client

_SHOP = b"""#!/bin/sh
# Counts visits in the cache and articles in the database.
echo 'Content-Type: text/plain'
echo
echo "$(redis-cli -h "$CACHE" incr visits) visits"
echo "$(psql -XAtqw -d "$DATABASE" -c 'SELECT count(*) FROM item') articles"
"""


def _shop(directory: Path) -> databases.Database:
    layer = busybox_layer()
    layer.program("/usr/bin/redis-cli").program(str(databases.postgres_home() / "bin/psql"))
    layer.directory("www").directory("www/cgi-bin").add("www/cgi-bin/shop", data=_SHOP, mode=0o755)
    changes = [
        f"ENV PATH=/bin:/usr/bin:{databases.postgres_home()}/bin",
        "EXPOSE 8080",
        'CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]',
    ]
    return databases.Database(databases.archive(layer, directory / "shop.tar"), changes)


def build(directory: Path) -> dict[str, databases.Database]:
    """Make the archives in ``directory``; their names are those of the images."""
    return {
        "suites/redis:1": databases.redis(directory),
        "suites/postgres:1": databases.postgres(directory),
        "suites/shop:1": _shop(directory),
    }


def load(client: Client, archives: dict[str, databases.Database]) -> None:
    """Import them into an engine."""
    for name, made in archives.items():
        client.images.import_(made.archive, name, changes=made.changes)
