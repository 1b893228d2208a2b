"""An engine of ours as a process, for clients that nobody here wrote."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.leftovers import of_engine
from tests.waiting import until_gone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HANG = 60
"""Seconds; a hang limit, not a measurement."""


@dataclass(frozen=True)
class OwnEngine:
    """A running engine: its socket, its log, its process."""

    path: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.path}"


@contextmanager
def own_engine(directory: Path, environment: Mapping[str, str] | None = None) -> Iterator[OwnEngine]:
    """An engine on a socket in ``directory``, and its images; at its end nothing of it is left, no traceback is logged.

    The socket listens before the engine does, so that a client can connect at once.
    """
    path, log = directory / "docker.sock", directory / "log"
    own = {**os.environ, "PYTEST_CONTAINERS_DATA": str(directory / "data"), **(environment or {})}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1024)
        command = [sys.executable, "-P", "-m", "container_runtime", "serve"]
        options = ["--listen-fd", str(listener.fileno()), "--log", str(log), "--watch-pid", str(os.getpid())]
        process = subprocess.Popen([*command, *options], pass_fds=(listener.fileno(),), env=own)
    try:
        yield OwnEngine(path, log, process)
    finally:
        process.terminate()
        try:
            code = process.wait(HANG)
        finally:
            process.kill()  # no more than a hang limit: it has ended
            path.unlink()
    assert code == 0
    assert "Traceback" not in log.read_text(), log.read_text()[-8000:]
    until_gone(lambda: of_engine(process.pid))
