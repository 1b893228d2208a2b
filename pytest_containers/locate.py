"""Which engine a run uses."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_containers.errors import ContainerError

if TYPE_CHECKING:
    from pytest_containers.engine import Engine

DOCKER_SOCKET = "/var/run/docker.sock"
CHOICES = re.compile(r"auto|embedded|docker|unix:///.+|tcp://.+")


def _why_not_embedded() -> str:
    """Why this process cannot have the embedded engine; empty where it can."""
    if sys.platform != "linux":
        return f"the embedded engine needs Linux, and this is {sys.platform}"
    if os.geteuid() != 0 and not _user_namespaces():
        return f"the embedded engine needs root or user namespaces, which user {os.geteuid()} may not make here"
    return ""


def _user_namespaces() -> bool:
    """Whether an ordinary user may make a user namespace; tried by unshare(1), as the reasons against are many."""
    try:
        words = ["unshare", "--user", "--map-root-user", "--mount", "true"]
        null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        pid = os.posix_spawnp("unshare", words, os.environ, file_actions=null)
    except OSError:
        return True  # no such program: the engine will say
    return os.waitpid(pid, 0)[1] == 0


def docker_address() -> str:
    """The address of a Docker engine, or nothing."""
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    return f"unix://{DOCKER_SOCKET}" if Path(DOCKER_SOCKET).is_socket() else ""


def locate(choice: str, directory: Path, watched: int, *, shared: bool, timeout: float, log_lines: int) -> Engine:
    """The engine for ``choice`` (``--containers-engine``), which is not started yet.

    ``directory`` and ``watched`` are the embedded engine's run directory and the process whose end is its own;
    ``shared``: other processes of the run (xdist's workers) use the same.

    Raises:
        ContainerError: there is none; the message says what is missing.
    """
    obstacle = _why_not_embedded()
    if choice == "embedded" and obstacle:
        raise ContainerError(f"{obstacle}: see `pytest-containers doctor`, or choose another with --containers-engine")
    if choice == "embedded" or (choice == "auto" and not obstacle):
        from pytest_containers.embedded import EmbeddedEngine

        return EmbeddedEngine(directory, watched, shared=shared, timeout=timeout, log_lines=log_lines)
    url = docker_address() if choice in {"auto", "docker"} else choice
    if not url:
        reason = f"{obstacle}; " if choice == "auto" else ""
        raise ContainerError(
            f"no container engine: {reason}DOCKER_HOST is not set, and {DOCKER_SOCKET} is no socket; "
            "set DOCKER_HOST, start Docker, or see `pytest-containers doctor`"
        )
    from pytest_containers.engine import Engine

    return Engine(url, directory.name, timeout=timeout, log_lines=log_lines)
