"""Which engine a run uses."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from pytest_containers import discovery
from pytest_containers.client.address import KINDS, parse_address
from pytest_containers.client.errors import EngineUnreachable
from pytest_containers.errors import ContainerError, NoEngine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_containers.client.address import Address
    from pytest_containers.engine import Engine

CHOICES = re.compile(r"auto|embedded|docker|podman|(unix|tcp|ssh)://.+")
ADVICE = (
    "start one of them, name it by DOCKER_HOST or --containers-engine, see `pytest-containers doctor` for the embedded "
    "one, or have such tests skipped by --containers-missing=skip"
)
CAP_SYS_ADMIN = 21  # its bit in CapEff, capabilities(7)
_PLACES: dict[str, Callable[[discovery.Search], discovery.Found | None]] = {
    "auto": discovery.any_engine,
    "docker": discovery.docker,
    "podman": discovery.podman,
}


def check(choice: str) -> str:
    """Why ``choice`` cannot be meant as ``--containers-engine``; empty where it can."""
    if not CHOICES.fullmatch(choice):
        return f"must be auto, embedded, docker, podman, {KINDS}, not {choice!r}"
    try:
        if "://" in choice:
            parse_address(choice)
    except EngineUnreachable as error:
        return f"is a {error}" if str(error).startswith("bad") else f"{choice}: {error}"
    return ""


def _why_not_embedded() -> str:
    """Why this process cannot have the embedded engine; empty where it can."""
    if sys.platform != "linux":
        return f"the embedded engine needs Linux, and this is {sys.platform}"
    if not _may_mount() and not _user_namespaces():
        return f"the embedded engine needs root or user namespaces, which user {os.geteuid()} may not make here"
    return ""


def _may_mount() -> bool:
    """Whether this is root as the engine needs him: in most containers he lacks CAP_SYS_ADMIN."""
    if os.geteuid() != 0:
        return False
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123  read line by line
            line = next(line for line in status if line.startswith("CapEff:"))
        return bool(int(line.split()[1], 16) >> CAP_SYS_ADMIN & 1)
    except (OSError, StopIteration, ValueError):
        return True  # the engine will say


def _user_namespaces() -> bool:
    """Whether an ordinary user may make a user namespace and mount /proc in it, which containers can forbid.

    Tried by unshare(1), as the reasons against are many.
    """
    try:
        words = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "true"]
        null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        pid = os.posix_spawnp("unshare", words, os.environ, file_actions=null)
    except OSError:
        return True  # no such program: the engine will say
    return os.waitpid(pid, 0)[1] == 0


def docker_address() -> Address | None:
    """The address of a Docker engine, as docker's command and the known sockets have it."""
    try:
        found = discovery.docker(discovery.Search())
    except EngineUnreachable:
        return None
    return found.address if found else None


def locate(choice: str, directory: Path, watched: int, *, shared: bool, timeout: float, log_lines: int) -> Engine:
    """The engine for ``choice`` (``--containers-engine``), which is not started yet.

    ``directory`` and ``watched`` are the embedded engine's run directory and the process whose end is its own;
    ``shared``: other processes of the run (xdist's workers) use the same.

    Raises:
        NoEngine: there is none; the message says what was tried.
        ContainerError: ``choice`` is none.
    """
    if refused := check(choice):
        raise ContainerError(f"the engine {refused}")
    search = discovery.Search()
    if choice in {"auto", "embedded"}:
        obstacle = _why_not_embedded()
        if not obstacle:
            from pytest_containers.embedded import EmbeddedEngine

            return EmbeddedEngine(directory, watched, shared=shared, timeout=timeout, log_lines=log_lines)
        if choice == "embedded":
            raise NoEngine(f"{obstacle}: see `pytest-containers doctor`, or choose another with --containers-engine")
        search.no("embedded", obstacle)
    found = _other(choice, search)
    from pytest_containers.engine import Engine
    from pytest_containers.watching import Watch

    watch = Watch(directory.name, watched, shared=shared)
    return Engine(found.address, directory.name, timeout=timeout, log_lines=log_lines, origin=found.origin, watch=watch)


def _other(choice: str, search: discovery.Search) -> discovery.Found:
    try:
        if "://" in choice:
            return discovery.Found(parse_address(choice), "")
        found = _PLACES[choice](search)
    except EngineUnreachable as error:
        raise NoEngine(f"no container engine: {error}") from None
    if found is None:
        tried = "\n".join(f"  {line}" for line in search.tried)
        raise NoEngine(f"no container engine (--containers-engine={choice}); tried\n{tried}\n{ADVICE}")
    return found
