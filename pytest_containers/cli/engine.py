"""Which engine a command talks to."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_containers.client import Client, EngineUnreachable
from pytest_containers.client.http import DEFAULT_URL

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Generator


ENGINE = (sys.executable, "-P", "-m", "container_runtime", "serve")
"""How the engine is started; ``-P`` keeps the working directory off its import path."""
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
    """Start an engine that ends with us in any case: it holds one end of a pipe and watches our process.

    Its socket listens before it runs, so that nobody has to wait for it; it has a session of its own, so that Ctrl-C
    reaches this command only, which then ends it in order.
    """
    with contextlib.ExitStack() as stack:
        # Not in the engine's run directory: it makes and locks that itself.
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="pytest-containers-"))
        path = str(Path(directory) / "docker.sock")
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        Path(path).chmod(0o600)
        listener.listen()
        reading, writing = os.pipe()
        stack.callback(os.close, writing)
        try:
            engine = subprocess.Popen(  # noqa: S603  # our own engine, no shell
                [*ENGINE, "--listen-fd", str(listener.fileno()), "--lifeline-fd", str(reading),
                 "--watch-pid", str(os.getpid())],
                stdin=subprocess.DEVNULL, pass_fds=(listener.fileno(), reading), start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(reading)
        listener.close()  # should the engine die, connecting fails at once instead of hanging
        try:
            yield f"unix://{path}"
        except EngineUnreachable:
            raise EngineUnreachable(
                "the engine that was started for this command ended; see its message above"
            ) from None
        finally:
            engine.terminate()
            engine.wait()
