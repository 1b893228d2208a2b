"""The engine as a process: what it is given, what ends it.

The order is for speed: the launcher is spawned before asyncio is imported, so that both come up side by side.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  # the C module: ``signal`` imports enum, the launcher comes first
import gc
import os
import socket
import sys
from pathlib import Path

from container_runtime.errors import EngineError
from container_runtime.kernel import userns
from container_runtime.launcher.spawn import spawn
from container_runtime.state import roots
from container_runtime.state.rundir import RunDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Options:
    """What the command line says; the names are those of ``parse``."""

    command = "serve"

    def __init__(self) -> None:
        self.socket: Path | None = None
        self.listen_fd: int | None = None
        self.run_directory: Path | None = None
        self.lock_fd: int | None = None
        self.lifeline_fd: int | None = None
        self.watch_pid: int | None = None
        self.idle_limit: int | None = None
        self.log: Path | None = None


_NUMBERS = ("listen_fd", "lock_fd", "lifeline_fd", "watch_pid", "idle_limit")
_PATHS = ("socket", "run_directory", "log")


def plain_options(words: Sequence[str]) -> Options | None:
    """The options where the words are well formed and in full, as the plugin writes them; else None.

    argparse, which explains everything else, takes 10 ms to import, before the launcher can be spawned.
    """
    if words[:1] != ["serve"] or len(words) % 2 == 0:
        return None
    options = Options()
    for name, value in zip(words[1::2], words[2::2], strict=True):
        attribute = name.removeprefix("--").replace("-", "_")
        if attribute in _NUMBERS and name.startswith("--") and value.isascii() and value.isdigit():
            setattr(options, attribute, int(value))
        elif attribute in _PATHS and name.startswith("--") and value and not value.startswith("-"):
            setattr(options, attribute, Path(value))
        else:
            return None
    return options if (options.socket is None) is not (options.listen_fd is None) else None


def parse(arguments: Sequence[str] | None) -> Options:
    """The command line of ``python -m container_runtime``."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    found = plain_options(words)
    if found is not None:
        return found
    import argparse

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
    serve.add_argument("--idle-limit", type=int, help="seconds without a connection after which the engine ends")
    serve.add_argument("--log", type=Path, help="file for messages, by default standard error")
    return parser.parse_args(words, namespace=Options())


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


def _import_asyncio() -> None:
    """Without ssl, which asyncio can do without, and whose import takes 7 ms.

    The registry's client, which comes in its own time, finds ssl again.
    """
    if "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]  the import system's way to say that a module is not there
    try:
        import asyncio  # noqa: F401  # pyright: ignore[reportUnusedImport]
    finally:
        del sys.modules["ssl"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the engine; returns its exit code."""
    gc.disable()  # while modules are imported nothing becomes garbage
    options = parse(arguments)
    os.umask(0o022)  # containers get directories and files of ours: their other users have to read them
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
        if userns.needed():
            userns.enter()
        listener = _listen(options.socket) if options.socket else socket.socket(fileno=options.listen_fd)
        run = RunDirectory(options.run_directory, options.lock_fd) if options.run_directory else RunDirectory.create()
        channel, pidfd = spawn(run)
        roots.settle(run)  # while the launcher comes up
    except (EngineError, OSError) as error:
        print(f"container_runtime: {error}", file=sys.stderr)  # noqa: T201  the process's own words
        return 1
    _import_asyncio()
    from container_runtime.service import run_engine

    gc.freeze()
    gc.enable()
    try:
        return run_engine(options, listener, run, channel, pidfd)
    finally:
        if options.socket:
            options.socket.unlink(missing_ok=True)
