"""Further processes in running containers."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from container_runtime.engine import accounts, specgen, streams
from container_runtime.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.engine.streams import Sink
    from container_runtime.launcher.client import Exit


class Exec:
    """One exec: created, started at most once."""

    def __init__(self, identity: str, container: Container, body: dict[str, Any]) -> None:
        """``body``: the create request."""
        self.id = identity
        self.container = container
        self.body = body
        self.pid = 0
        self.started = False
        self.exit_code: int | None = None
        self.terminal = -1
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def details(self) -> dict[str, Any]:
        """``GET /exec/{id}/json``."""
        command = self.body.get("Cmd") or [""]
        return {
            "ID": self.id,
            "ContainerID": self.container.id,
            "Running": self.started and self.exit_code is None,
            "ExitCode": self.exit_code,
            "Pid": self.pid,
            "OpenStdin": bool(self.body.get("AttachStdin")),
            "OpenStdout": bool(self.body.get("AttachStdout")),
            "OpenStderr": bool(self.body.get("AttachStderr")),
            "CanRemove": False,
            "DetachKeys": "",
            "ProcessConfig": {
                "entrypoint": command[0],
                "arguments": command[1:],
                "tty": bool(self.body.get("Tty")),
                "privileged": bool(self.body.get("Privileged")),
                "user": self.body.get("User") or "",
            },
        }


def create(engine: Engine, container: Container, body: dict[str, Any]) -> Exec:
    """Make one; wrong values are refused here.

    Raises:
        Conflict: the container does not run.
    """
    engine.admit()
    container.check("exec")
    _process(container, body)
    made = Exec(os.urandom(32).hex(), container, body)
    engine.execs[made.id] = made
    container.publish(engine.events, f"exec_create: {_words(body)}", execID=made.id)
    return made


def _words(body: dict[str, Any]) -> str:
    """The command as events show it."""
    return " ".join(body.get("Cmd") or [])


def find(engine: Engine, identity: str) -> Exec:
    """By id.

    Raises:
        NotFound: none.
    """
    if identity not in engine.execs:
        raise NotFound(f"No such exec instance: {identity}")
    return engine.execs[identity]


def _process(container: Container, body: dict[str, Any]) -> Any:
    passwd, group = accounts.of_process(container.pid) if body.get("User") else (None, None)
    assert container.process is not None  # noqa: S101  the life-cycle table let us through: it runs
    return specgen.exec_process(container.process, body, passwd, group)


async def start(
    engine: Engine, one: Exec, sink: Sink | None, incoming: AsyncIterator[bytes] | None, begin: asyncio.Event
) -> None:
    """Start it and, with a ``sink``, return at the end of its output; ``begin`` is set when it runs.

    Raises:
        Conflict: it was started before, or its container has stopped.
        StartError: it could not be.
    """
    if one.started:
        raise Conflict(f"Error: Exec command {one.id} has already run")
    one.container.check("exec")
    one.started = True
    seccomp = "" if one.body.get("Privileged") else one.container.seccomp
    process = _process(one.container, one.body)
    ours, theirs, stdin = _open(one)
    try:
        stdio = (theirs[0], theirs[-1] if len(theirs) < 3 else theirs[1], theirs[-1])
        started = await engine.launcher.execute(one.container.id, one.id, process, stdio, seccomp)
    except BaseException as error:
        for descriptor, _ in ours:
            os.close(descriptor)
        if stdin is not None:
            stdin.close()
        one.exit_code = getattr(error, "exit_code", 126)
        if not one.ended.done():
            one.ended.set_result(None)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    one.pid = started.pid
    one.container.publish(engine.events, f"exec_start: {_words(one.body)}", execID=one.id)
    begin.set()
    feeding = asyncio.ensure_future(_feed(stdin, incoming)) if stdin is not None else None
    pumps = [streams.pump(descriptor, stream, sink, one.ended) for descriptor, stream in ours]
    work = asyncio.gather(*pumps)
    try:
        if sink is None:
            engine.behind(_finish(work))
        else:
            await work
            await one.ended
    finally:
        if feeding is not None:
            feeding.cancel()


async def _finish(work: Any) -> None:
    await work


def _open(one: Exec) -> tuple[list[tuple[int, int | None]], list[int], streams.InputPipe | None]:
    """(our ends with their stream's number), their ends, the input."""
    if one.body.get("Tty"):
        master, slave = streams.open_terminal()
        one.terminal = master
        stdin = streams.InputPipe(os.dup(master)) if one.body.get("AttachStdin") else None
        return [(master, None)], [slave], stdin
    out, out_end = streams.pipe_for_reading()
    err, err_end = streams.pipe_for_reading()
    stdin = None
    if one.body.get("AttachStdin"):
        in_end, write_end = streams.pipe_for_writing()
        stdin = streams.InputPipe(write_end)
    else:
        in_end = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    return [(out, streams.STDOUT), (err, streams.STDERR)], [in_end, out_end, err_end], stdin


async def _feed(stdin: streams.InputPipe, incoming: AsyncIterator[bytes] | None) -> None:
    try:
        if incoming is not None:
            async for data in incoming:
                await stdin.write(data)
    except (BrokenPipeError, ConnectionError):
        return
    finally:
        stdin.close()


def ended(engine: Engine, one: Exec, end: Exit) -> None:
    """Its process has gone."""
    one.exit_code = end.code
    one.container.publish(engine.events, "exec_die", execID=one.id, exitCode=str(end.code))
    one.pid = 0
    one.terminal = -1
    if not one.ended.done():
        one.ended.set_result(None)
