"""A real Docker Engine 28.5 for tests to compare with: benchmarks/peers.sh makes it from Debian's packages.

It runs in a mount and a network namespace of its own, with a data directory that is thrown away: nothing of the
machine's own Docker, if it has one, is touched.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
import sysconfig
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parents[1] / "benchmarks/peers.sh"
HANG = 120
"""Seconds; a hang limit: it is up within two."""
_LISTENING = re.compile(r"API listen on|API service listening on")


class Unavailable(Exception):
    """This machine cannot run it; the message says why."""


def build() -> None:
    """Make the root filesystem that the engine runs from, where it is not there yet.

    Raises:
        Unavailable: that needs root, mmdebstrap and Debian's packages.
    """
    if os.geteuid():
        raise Unavailable("Docker 28.5 is run by root only")
    if not shutil.which("mmdebstrap"):
        raise Unavailable("Docker 28.5 is made by mmdebstrap, which is not installed")
    root = Path(os.environ.get("PEERS_ROOT", "/var/cache/pytest-containers-peers"))
    root.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{root}.lock"):  # several test runs, several workers of one
        done = subprocess.run([SCRIPT, "build"], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"Docker 28.5 cannot be made on this machine: {done.stderr.strip()[-800:]}")


@contextmanager
def served(directory: Path, kind: str) -> Iterator[Path]:
    """The engine's socket, in ``directory``, which containers see under the same name (bind mounts), as they do what
    ``in_container`` mounts of ours: this project, and pytest.

    ``kind``: ``dockerd`` for Docker 28.5, or ``podman``.

    Raises:
        Unavailable: see ``build``; or it did not start.
    """
    build()
    path = directory / f"{kind}.sock"
    # It ends when this process does, however that ends.
    command = ["setpriv", "--pdeathsig", "TERM", SCRIPT, kind, path, SCRIPT.parents[1], sysconfig.get_path("purelib")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        seen: list[str] = []
        drain = threading.Thread(target=lambda: seen.extend(process.stderr or ()), daemon=True)
        try:
            for line in process.stderr:  # ends when the daemon does
                seen.append(line)
                if _LISTENING.search(line):
                    break
            else:
                raise Unavailable(f"{kind} does not run on this machine: {''.join(seen)[-800:]}")
            drain.start()  # what it goes on to say has to be read, or it would block on a full pipe
            yield path
        finally:
            process.terminate()
            process.wait(HANG)
            if drain.ident is not None:
                drain.join()


def process_of(path: Path) -> int:
    """The process that listens there, whose network namespace has the ports that it publishes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)


def _served_or_skipped(directory: Path, kind: str) -> Iterator[Path]:
    """Skipped where there cannot be one, which CI takes for a failure."""
    try:
        with served(directory, kind) as path:
            yield path
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def docker_28(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a real Docker Engine 28.5."""
    yield from _served_or_skipped(tmp_path_factory.mktemp("docker-28"), "dockerd")


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of Podman's service."""
    yield from _served_or_skipped(tmp_path_factory.mktemp("podman"), "podman")
