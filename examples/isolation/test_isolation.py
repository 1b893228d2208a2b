"""One library in two versions side by side, a library of the system that is missing, and no network."""

import socket
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from report import report, storage

ENVIRONMENTS = Path(__file__).parent / "environments"
SQLITE = next(Path("/usr/lib").glob("*/libsqlite3.so.0"), Path("/usr/lib/libsqlite3.so.0"))


@pytest.mark.in_container(python={version: f"{ENVIRONMENTS}/{version}/bin/python" for version in ("1", "2")})
def test_report_with_both_versions() -> None:
    assert report([["a", "b"], ["c", "d"]]) == "a b\nc d"


@pytest.mark.in_container(python="/usr/bin/python3", mounts={"/dev/null": str(SQLITE)})
def test_storage_where_the_library_is_missing() -> None:
    assert storage() == "files"


@pytest.mark.in_container(python="/usr/bin/python3")
def test_storage_where_it_is_there() -> None:
    assert storage().startswith("SQLite 3")


@pytest.mark.in_container(network=False, timeout=10)
def test_no_network() -> None:
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 80))
