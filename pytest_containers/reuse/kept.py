"""The engine of a user that outlives runs: it has the containers of ``reuse``, and ends when nobody has come for long.

Where it is stands in a file of the runtime directory, under a lock. An engine of another version, of another Python or
with its images elsewhere is another engine; one that nobody uses any more ends by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_containers
from pytest_containers.client import Client
from pytest_containers.client.errors import ClientError
from pytest_containers.embedded import SOCKET, EmbeddedEngine, make_private, new_run_directory, runtime_home

if TYPE_CHECKING:
    from collections.abc import Generator

IDLE_LIMIT = 3600
"""Seconds without a client after which the kept engine ends, with all that it has."""
ENGINES_LOCK = "engines.lock"  # "lock" would make the directory one of a run, for engines to sweep
_POINTER = "engine-"


def kept_home() -> Path:
    """The directory of what is kept: where the engines are, and which containers they have."""
    return runtime_home() / "kept"


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock of a file, which is made where it is not there; waits for whoever holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _identity() -> str:
    """What makes an engine the same as that of an earlier run."""
    parts = (
        version("pytest-containers"),
        sys.executable,
        str(pytest_containers.__file__),
        os.environ.get("PYTEST_CONTAINERS_DATA", ""),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class KeptEngine(EmbeddedEngine):
    """A client of the kept engine; as long as it is open, the engine is not idle."""

    def __init__(self, directory: Path, *, timeout: float, log_lines: int) -> None:
        super().__init__(directory, 0, shared=True, timeout=timeout, log_lines=log_lines, idle_limit=IDLE_LIMIT)
        self._lease: socket.socket | None = None

    def hold(self) -> bool:
        """Connect; whether it answers."""
        lease = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lease = lease
        try:
            lease.connect(os.fspath(self.directory / SOCKET))
            with Client(self.url) as client:
                client.system.ping()
        except (OSError, ClientError):
            lease.close()
            self._lease = None
            return False
        return True

    def close(self) -> None:
        """Let go of it; it goes on without us."""
        super().close()
        if self._lease is not None:
            self._lease.close()


def kept_engine(timeout: float, log_lines: int) -> KeptEngine:
    """The user's kept engine, started where there is none.

    Raises:
        ContainerError: it cannot be started.
    """
    home = kept_home()
    make_private(home.parent)
    make_private(home)
    pointer = home / f"{_POINTER}{_identity()}"
    with locked(home / ENGINES_LOCK):
        if pointer.exists():
            found = KeptEngine(Path(pointer.read_text()), timeout=timeout, log_lines=log_lines)
            if found.hold():
                return found
        engine = KeptEngine(new_run_directory(), timeout=timeout, log_lines=log_lines)
        _ = engine.client  # it answers, or this raises
        engine.hold()
        pointer.write_text(os.fspath(engine.directory))
        return engine


def pointers(home: Path) -> list[Path]:
    """The files that say where kept engines are."""
    return sorted(home.glob(f"{_POINTER}*")) if home.is_dir() else []
