"""The engine's event loop: from a spawned launcher to the end of everything."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from container_runtime.api.routes import Router, prepare
from container_runtime.api.server import Server
from container_runtime.engine.core import Engine
from container_runtime.errors import EngineError
from container_runtime.kernel import syscalls
from container_runtime.launcher.client import Launcher

if TYPE_CHECKING:
    import socket

    from container_runtime.serve import Options
    from container_runtime.state.rundir import RunDirectory


_SWEEP_AFTER = 1.0  # seconds; at the end at the latest


class _Server(Server):
    """Tells how many clients there are, for an engine that was let go."""

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._engine.lifelines.came()
        try:
            await super()._accept(reader, writer)
        finally:
            self._engine.lifelines.went()


def run_engine(options: Options, listener: socket.socket, run: RunDirectory, channel: socket.socket, pidfd: int) -> int:
    """Serve until the end is asked for; returns the exit code."""
    return asyncio.run(_serve(options, listener, run, channel, pidfd))


async def _serve(
    options: Options, listener: socket.socket, run: RunDirectory, channel: socket.socket, pidfd: int
) -> int:
    _use_all_descriptors()
    launcher = Launcher(run, channel, pidfd)
    try:
        engine = await Engine.start(run, launcher)
    except EngineError as error:
        print(f"container_runtime: {error}", file=sys.stderr, flush=True)  # noqa: T201
        await launcher.close()
        run.remove()
        return 1
    _watch(options, engine)
    server = _Server(engine, Router())
    await server.start(listener)
    engine.behind(prepare())
    engine.behind(_sweep(engine.end_requested))
    try:
        await engine.end_requested.wait()
    finally:
        engine.ending = True
        try:
            await server.close()
        finally:
            await engine.close()
    return 0


def _use_all_descriptors() -> None:
    """As many descriptors as the hard limit allows: connections and datagrams of containers need two to six each.

    The launcher has been started by now; the limits of containers are not changed by it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _watch(options: Options, engine: Engine) -> None:
    """Whatever ends the run ends the engine: signals, the lifeline's end of file, the watched process's end."""
    loop = asyncio.get_running_loop()
    end = engine.end_requested.set
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)  # ``serve`` blocked them
    if options.lifeline_fd is not None:
        engine.lifelines.watch(options.lifeline_fd)
    if options.watch_pid is not None:
        try:
            descriptor = syscalls.pidfd_open(options.watch_pid)
        except ProcessLookupError:
            end()
        else:
            engine.lifelines.watch(descriptor)
    if options.idle_limit is not None:
        engine.lifelines.let_go(options.idle_limit)


async def _sweep(end: asyncio.Event) -> None:
    """What dead runs left is removed when this one is up, and not in the way of its first container."""
    from container_runtime.state.sweep import sweep

    with suppress(TimeoutError):
        await asyncio.wait_for(end.wait(), _SWEEP_AFTER)
    try:
        await asyncio.to_thread(sweep)
    except OSError as error:  # a full disk, too many open files: the next engine tries again
        print(f"container_runtime: what dead runs left is not removed: {error}", file=sys.stderr, flush=True)  # noqa: T201
