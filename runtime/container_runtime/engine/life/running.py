"""A container from its start to its end."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from container_runtime.engine import containers, publishing, sandboxes
from container_runtime.engine.container import Container, now, seconds_between
from container_runtime.engine.events import announce
from container_runtime.engine.life import execs, health, lifecycle, restarts
from container_runtime.engine.request import bundle
from container_runtime.engine.storage import mounting
from container_runtime.engine.streams import stdio, streams
from container_runtime.errors import EngineError, StartError

if TYPE_CHECKING:
    from container_runtime.engine.core import Engine
    from container_runtime.launcher.client import Exit


async def start(engine: Engine, container: Container) -> None:
    """Start a container for a client; returns when its program has been executed.

    Raises:
        StartError: it could not be; the container is left as Docker leaves it, with the exit code 126, 127 or 128.
    """
    container.check("start")
    container.restarts.begin()
    await _begin(engine, container)


async def _begin(engine: Engine, container: Container) -> None:
    """Start it, for a client or for its restart policy; errors as ``start``."""
    engine.admit()
    container.before, container.state = container.state, lifecycle.STARTING
    container.changing = asyncio.get_running_loop().create_future()
    try:
        sandboxes.prepare(engine, container)
        publishing.open_ports(engine, container)
        await bundle.prepare_layers(engine, container)
        await mounting.prepare(engine, container)
        config = bundle.generate(engine, container)
        container.process = config["process"]
        capabilities = config["process"]["capabilities"]["bounding"]
        container.seccomp = await bundle.seccomp_file(container, capabilities)
        container.log.upcoming()
        container.next_end()
        await _launch(engine, container, config)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        refusal = EngineError(f"cannot start container {container.name}: {error.strerror}{where}")
        _failed(engine, container, refusal)
        raise refusal from None
    except BaseException as error:
        _failed(engine, container, error)
        raise
    finally:
        container.changing.set_result(None)
        container.changing = None
        engine.networks.prepare_sandbox()
    container.started_at = now()
    container.error, container.oom_killed, container.exit_code = "", False, 0
    announce.connections(engine, "connect", container)
    container.publish(engine.events, "start")
    health.start(engine, container)


def _failed(engine: Engine, container: Container, error: BaseException) -> None:
    container.state = lifecycle.EXITED if container.started_at[:4] != "0001" else lifecycle.CREATED
    container.pid = 0
    container.exit_code = error.exit_code if isinstance(error, StartError) else 128
    container.error = str(error)
    mounting.release(engine, container)
    _close_ports(engine, container)
    container.log.finish()
    for pipe in container.outputs:
        pipe.close()
    _forget_streams(container)
    if not container.ended.done():
        container.ended.set_result(container.exit_code)
    if container.host.get("AutoRemove"):
        engine.behind(containers.remove(engine, container, force=True, volumes=True))


def _close_ports(engine: Engine, container: Container) -> None:
    publishing.stop(engine, container)
    if engine.networks.forwards is not None:
        engine.networks.forwards.stop(container.id)


def _take_streams(container: Container, ends: stdio.Ends) -> None:
    """From here on they are the container's; what was not taken, because an error came between, stays with ``ends``."""
    while ends.outputs:
        descriptor, stream = ends.outputs[0]
        container.outputs.append(streams.OutputPipe(descriptor, partial(container.log.write, stream)))
        del ends.outputs[0]
    container.terminal, ends.terminal = ends.terminal, None
    if ends.input >= 0:
        container.stdin = streams.InputPipe(ends.input)
        ends.input = -1


def _forget_streams(container: Container) -> None:
    container.outputs.clear()
    if container.stdin is not None:
        container.stdin.close()
        container.stdin = None
    if container.terminal is not None:
        container.terminal.close()
        container.terminal = None


async def _launch(engine: Engine, container: Container, config: Any) -> None:
    """Its streams, and the launcher's part."""
    ends = stdio.Ends(tty=container.tty, stdin=bool(container.body.get("OpenStdin")))
    try:
        started = await engine.launcher.run(
            container.id,
            config,
            ends.stdio,
            container.seccomp,
            fresh=mounting.uses_mounted(engine, container),
            init=bool(container.host.get("Init")),
        )
        try:
            ends.connect()
            _run(engine, container, ends, started.pid)
        except BaseException:
            container.state = lifecycle.STARTING
            await engine.launcher.discard(container.id)
            raise
    except BaseException as error:
        ends.close()
        if isinstance(error, StartError):
            raise StartError(
                "failed to create task for container: failed to create shim task: OCI runtime create failed: "
                f"unable to start container process: {error}: unknown",
                error.exit_code,
            ) from None
        raise
    finally:
        ends.sent()


def _run(engine: Engine, container: Container, ends: stdio.Ends, pid: int) -> None:
    """Its program has been executed."""
    _take_streams(container, ends)
    container.pid = pid
    container.state = lifecycle.RUNNING
    sandboxes.open_forwards(engine, container)
    container.begun.set()


def ended(engine: Engine, container: Container, end: Exit) -> None:
    """The first process has gone, and with it all others of its pid namespace."""
    health.stop(container)
    for pipe in container.outputs:
        pipe.drain_and_close()
    _forget_streams(container)
    container.begun.clear()
    execs.container_ended(engine, container)
    container.pid = 0
    container.frozen = ""
    _close_ports(engine, container)
    container.exit_code, container.oom_killed = end.code, end.oom_killed
    container.finished_at = now()
    removing = container.state == lifecycle.REMOVING
    container.state = lifecycle.EXITED
    container.log.finish()
    if end.oom_killed:
        container.publish(engine.events, "oom")
    announce.connections(engine, "disconnect", container)
    mounting.release(engine, container)
    ran = seconds_between(container.started_at, container.finished_at)
    container.publish(engine.events, "die", exitCode=str(end.code), execDuration=str(int(ran)))
    if removing:
        container.state = lifecycle.REMOVING
    elif not engine.ending and container.restarts.wanted(container.host.get("RestartPolicy") or {}, end.code):
        restarts.schedule(container, ran, lambda: _begin(engine, container), engine.behind)
    if not container.ended.done():
        container.ended.set_result(end.code)
    if container.host.get("AutoRemove") and not (removing or container.restarts.by_client or engine.ending):
        engine.behind(containers.remove(engine, container, force=True, volumes=True))
