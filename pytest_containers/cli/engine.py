"""Which engine a command talks to."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from pytest_containers.client import Client, EngineUnreachable
from pytest_containers.client.http import DEFAULT_URL

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Generator

NO_ENGINE = "start one with `pytest-containers serve --socket PATH` and set DOCKER_HOST=unix://PATH"


def connect(args: Namespace) -> Client:
    """Return a client of the engine that ``-H`` or DOCKER_HOST names, else of the one at Docker's default socket."""
    if not _named(args) and not _default_answers():
        raise EngineUnreachable(f"no engine answers at {DEFAULT_URL} and DOCKER_HOST is not set: {NO_ENGINE}")
    return Client(args.host)


@contextlib.contextmanager
def connect_or_start(args: Namespace, *, outlives: bool) -> Generator[Client]:
    """Give a client of the engine, starting one for this command alone where none is named and none is there.

    ``outlives``: the container is meant to live on, so that an engine of our own would be of no use.
    """
    if _named(args) or _default_answers():
        with Client(args.host) as client:
            yield client
    elif outlives:
        raise EngineUnreachable(f"a container in the background needs an engine that stays: {NO_ENGINE}")
    else:
        with _own_engine() as url, Client(url) as client:
            yield client


def _named(args: Namespace) -> bool:
    return bool(args.host or os.environ.get("DOCKER_HOST"))


def _default_answers() -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(DEFAULT_URL.removeprefix("unix://")) == 0


@contextlib.contextmanager
def _own_engine() -> Generator[str]:
    """Start an engine that ends with this process, however that ends, and give its address."""
    from pytest_containers.embedded import EmbeddedEngine, new_run_directory
    from pytest_containers.errors import ContainerError

    own = EmbeddedEngine(new_run_directory(), os.getpid(), shared=False, timeout=0, log_lines=0)
    try:
        own.spawn()
        yield own.url
    except (EngineUnreachable, ContainerError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # of our own output
            raise
        lines = own.explain(error).splitlines()  # the reason, and perhaps the engine's log, whose last line counts
        raise EngineUnreachable(" ".join(dict.fromkeys((lines[0], lines[-1].strip())))) from None
    finally:
        own.close()
