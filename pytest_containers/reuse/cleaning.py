"""The end of what is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_containers.client import Client
from pytest_containers.client.errors import ClientError
from pytest_containers.embedded import end_shared
from pytest_containers.engine import REUSE_LABEL
from pytest_containers.locate import docker_address
from pytest_containers.reuse.kept import ENGINES_LOCK, kept_home, locked, pointers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_containers.client.address import Address


def clean(home: Path | None = None) -> Iterator[tuple[str, str]]:
    """End the kept engines, and remove kept containers from Docker; yields the kind and name of each."""
    home = home or kept_home()
    if home.is_dir():
        with locked(home / ENGINES_LOCK):
            for pointer in pointers(home):
                directory = Path(pointer.read_text())
                if directory.exists():
                    end_shared(directory)
                    yield "kept engine", os.fspath(directory)
                pointer.unlink()
            for path in (*home.glob("*.id"), *home.glob("*.used")):
                path.unlink(missing_ok=True)
    address = docker_address()
    if address:
        yield from (("kept container", name) for name in _containers(address))


def _containers(address: Address) -> Iterator[str]:
    try:
        with Client(address, 60) as client:
            for one in client.containers.list(all=True, filters={"label": [REUSE_LABEL]}):
                client.containers.remove(one.get("Id", ""), force=True, volumes=True)
                yield one.get("Id", "")
    except ClientError:
        return  # nobody answers there
