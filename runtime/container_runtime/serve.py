"""The engine as a process: what it is given, what ends it.

The order is for speed: the launcher is spawned before asyncio is imported, so that both come up side by side.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  # the C module: ``signal`` imports enum, the launcher comes first
import argparse
import os
import socket
import sys
from pathlib import Path

from container_runtime.errors import EngineError
from container_runtime.launcher.spawn import spawn
from container_runtime.state.rundir import RunDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line of ``python -m container_runtime``."""
    parser = argparse.ArgumentParser(prog="container_runtime", description="The embedded container engine.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="answer the Docker Engine API on a unix socket until SIGTERM")
    where = serve.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", type=Path, help="path of the socket to make")
    where.add_argument("--listen-fd", type=int, help="descriptor of a socket that listens already")
    serve.add_argument("--run-directory", type=Path, help="directory of this run, by default a new one")
    serve.add_argument("--lock-fd", type=int, help="descriptor that holds the lock of the run directory")
    serve.add_argument("--lifeline-fd", type=int, help="a pipe: the engine ends at its end of file")
    serve.add_argument("--watch-pid", type=int, help="a process: the engine ends with it")
    serve.add_argument("--log", type=Path, help="file for messages, by default standard error")
    return parser.parse_args(arguments)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            _take_over(path)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise EngineError(f"cannot listen on {path}: {error.strerror or error}") from None
    return listener


def _take_over(path: Path) -> None:
    """Remove a socket that nobody answers.

    Raises:
        EngineError: somebody does.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise EngineError(f"cannot listen on {path}: another engine answers there")
    path.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the engine; returns its exit code."""
    options = parse(arguments)
    if options.log:
        descriptor = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(descriptor, 2)
        os.close(descriptor)
    # Until the event loop hears them (service._watch), which is when what they end can be ended in order.
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP))
    try:
        for descriptor in (options.listen_fd, options.lock_fd, options.lifeline_fd):
            if descriptor is not None:
                os.set_inheritable(descriptor, False)
        listener = _listen(options.socket) if options.socket else socket.socket(fileno=options.listen_fd)
        run = RunDirectory(options.run_directory, options.lock_fd) if options.run_directory else RunDirectory.create()
        channel, pidfd = spawn(run)
    except (EngineError, OSError) as error:
        print(f"container_runtime: {error}", file=sys.stderr)  # noqa: T201  the process's own words
        return 1
    from container_runtime.service import run_engine

    try:
        return run_engine(options, listener, run, channel, pidfd)
    finally:
        if options.socket:
            options.socket.unlink(missing_ok=True)
