"""Further processes in running containers."""

from __future__ import annotations

import asyncio
import base64
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.engine.request import accounts, specgen
from container_runtime.engine.streams import detach, stdio, streams
from container_runtime.errors import Conflict, EngineError, NotFound, StartError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.engine.streams.streams import Sink
    from container_runtime.engine.streams.terminal import Terminal
    from container_runtime.launcher.client import Exit


REMEMBERED = 600.0
"""Seconds that an exec is known after its end: the longest that Docker's own clearing takes (moby, daemon/exec.go)."""

MOST_REMEMBERED = 4096
"""Execs that have ended and are still known; each takes some 1.5 kB, and clients ask for an exit code at once."""

_FAILED = "OCI runtime exec failed: exec failed: unable to start container process"


class Client(NamedTuple):
    """Who an exec's streams go to."""

    sink: Sink
    incoming: AsyncIterator[bytes] | None
    framed: bool
    """Whether stdout and stderr are told apart by frames."""
    merged: bool = False
    """Whether stderr is wanted without frames too."""
    gone: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Returns when nobody is there any more."""


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
        self.terminal: Terminal | None = None
        self.forgotten = False
        """Whether nobody may ask for it after its end."""
        self.begun = asyncio.Event()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> bool:
        """Whether it was started and its end is not known yet; it then stays among the engine's."""
        return self.started and not self.ended.done()

    def settle(self) -> None:
        """It has ended, or will never run."""
        self.begun.set()
        if not self.ended.done():
            self.ended.set_result(None)

    def details(self) -> dict[str, Any]:
        """``GET /exec/{id}/json``."""
        command = self.body.get("Cmd") or [""]
        keys = self.body.get("DetachKeys") or ""
        user = {"user": self.body["User"]} if self.body.get("User") else {}
        return {
            "ID": self.id,
            "ContainerID": self.container.id,
            "Running": bool(self.pid) and self.exit_code is None,
            "ExitCode": self.exit_code,
            "Pid": self.pid,
            "OpenStdin": bool(self.body.get("AttachStdin")),
            "OpenStdout": bool(self.body.get("AttachStdout")),
            "OpenStderr": bool(self.body.get("AttachStderr")),
            "CanRemove": False,
            "DetachKeys": base64.b64encode(detach.parse(keys)).decode() if keys else "",
            "ProcessConfig": {
                "entrypoint": command[0],
                "arguments": command[1:],
                "tty": bool(self.body.get("Tty")),
                "privileged": bool(self.body.get("Privileged")),
                **user,
            },
        }


def create(engine: Engine, container: Container, body: dict[str, Any]) -> Exec:
    """Make one; wrong values are refused here.

    Raises:
        Conflict: the container does not run.
    """
    engine.admit()
    container.check("exec")
    detach.parse(body.get("DetachKeys") or "")
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
    if identity not in engine.execs or engine.execs[identity].forgotten:
        raise NotFound(f"No such exec instance: {identity}")
    return engine.execs[identity]


def _process(container: Container, body: dict[str, Any]) -> Any:
    try:
        passwd, group = accounts.of_process(container.pid) if body.get("User") else (None, None)
    except OSError:  # it has just ended
        raise Conflict(f"container {container.id} is not running") from None
    assert container.process is not None  # noqa: S101  the life-cycle table let us through: it runs
    return specgen.exec_process(container.process, body, passwd, group)


async def start(engine: Engine, one: Exec, client: Client | None = None, size: Sequence[int] | None = None) -> None:
    """Start it; with a ``client`` return at the end of its output, or when the client has left.

    ``size``: of its terminal, where it has one and the creation's is not to hold.

    Raises:
        Conflict: it was started before, or its container has stopped.
        StartError: it could not be.
    """
    check_startable(one)
    one.container.check("exec")
    one.started = True
    ends = await _launch(engine, one, {**one.body, "ConsoleSize": size} if size else one.body)
    stdin = streams.InputPipe(ends.input) if ends.input >= 0 else None
    outlet = streams.Outlet(None) if client is None else streams.Outlet(client.sink, framed=client.framed)
    pumps = [
        streams.pump(descriptor, stream, outlet if _wanted(one, client, stream) else streams.Outlet(None), one.ended)
        for descriptor, stream in ends.outputs
    ]
    work = engine.behind(_finish(one, pumps))
    if client is None:
        if stdin is not None:
            stdin.close()
        return
    await _serve(engine, one, client, stdin, work)
    outlet.sink = None  # what is still written has no reader


def check_startable(one: Exec) -> None:
    """Return where it has not been started.

    Raises:
        Conflict: it has.
    """
    if one.started:
        state = "is already running" if one.exit_code is None else "has already run"
        raise Conflict(f"exec command {one.id} {state}")


async def _launch(engine: Engine, one: Exec, body: dict[str, Any]) -> stdio.Ends:
    seccomp = "" if body.get("Privileged") else one.container.seccomp
    try:
        process = _process(one.container, body)
        ends = stdio.Ends(tty=bool(body.get("Tty")), stdin=bool(body.get("AttachStdin")))
        try:
            started = await engine.launcher.execute(one.container.id, one.id, process, ends.stdio, seccomp)
            try:
                ends.connect()
            except BaseException:
                await engine.launcher.discard(one.id)
                raise
        except BaseException:
            ends.close()
            raise
        finally:
            ends.sent()
    except BaseException as error:
        one.exit_code = getattr(error, "exit_code", 126)
        one.settle()
        forget_later(engine, one)
        if isinstance(error, StartError):
            raise StartError(f"{_FAILED}: {error}: unknown", error.exit_code) from None
        if isinstance(error, NotFound):  # it has just ended
            raise Conflict(f"container {one.container.id} is not running") from None
        if isinstance(error, OSError):
            raise EngineError(f"{_FAILED}: {error.strerror}") from None
        raise
    one.pid, one.terminal = started.pid, ends.terminal
    one.begun.set()
    one.container.publish(engine.events, f"exec_start: {_words(body)}", execID=one.id)
    return ends


def _wanted(one: Exec, client: Client | None, stream: int) -> bool:
    """Whether one of its streams goes to the client, if the exec was created for that."""
    if client is None or not one.body.get("AttachStdout" if stream == streams.STDOUT else "AttachStderr"):
        return False
    return client.framed or client.merged or stream == streams.STDOUT


async def _finish(one: Exec, pumps: Iterable[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*pumps)
    await one.ended


async def _serve(
    engine: Engine, one: Exec, client: Client, stdin: streams.InputPipe | None, work: asyncio.Task[None]
) -> None:
    """Until its end, or until the client has typed the detach keys or gone."""
    left: list[asyncio.Task[Any]] = []
    tty = bool(one.body.get("Tty"))
    feeding = None
    watcher = detach.Watcher(detach.parse(one.body.get("DetachKeys") or ""))
    if stdin is not None and client.incoming is not None:
        incoming = detach.until_detached(client.incoming, watcher) if tty else client.incoming
        feeding = asyncio.create_task(_feed(stdin, incoming))
        if tty:  # where the end of the input is that of the connection, as with Docker
            left.append(feeding)
    if client.gone is not None:
        left.append(asyncio.create_task(client.gone()))
    try:
        await asyncio.wait([work, *left], return_when=asyncio.FIRST_COMPLETED)
        if watcher.detached:
            one.container.publish(engine.events, "exec_detach", execID=one.id)
    finally:
        for task in [*left, *([feeding] if feeding is not None else [])]:
            task.cancel()


async def _feed(stdin: streams.InputPipe, incoming: AsyncIterator[bytes]) -> None:
    try:
        async for data in incoming:
            await stdin.write(data)
    except (BrokenPipeError, ConnectionError):
        return
    finally:
        stdin.close()


def ended(engine: Engine, one: Exec, end: Exit) -> None:
    """Its process has gone."""
    one.exit_code = end.code
    if one.container.id in engine.containers:
        one.container.publish(engine.events, "exec_die", execID=one.id, exitCode=str(end.code))
    if one.terminal is not None:
        one.terminal.close()
    one.settle()
    forget_later(engine, one)


def forget_later(engine: Engine, one: Exec) -> None:
    """Its exit code can be asked for during this time."""
    if one.forgotten:
        engine.execs.pop(one.id, None)
        return
    asyncio.get_running_loop().call_later(REMEMBERED, engine.execs.pop, one.id, None)
    engine.ended_execs.append(one.id)
    if len(engine.ended_execs) > MOST_REMEMBERED:
        engine.execs.pop(engine.ended_execs.popleft(), None)


def forget(engine: Engine, one: Exec) -> None:
    """Nobody asks for it any more; one that runs stays known until its end, which others wait for."""
    one.forgotten = True
    if not one.running:
        engine.execs.pop(one.id, None)


def container_ended(engine: Engine, container: Container) -> None:
    """Those that were never started cannot be any more."""
    for one in [one for one in engine.execs.values() if one.container is container and not one.started]:
        del engine.execs[one.id]
