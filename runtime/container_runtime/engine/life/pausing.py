"""Pausing: all processes of a container stand still, and go on as if nothing had been."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from container_runtime.cgroups import freezer
from container_runtime.engine.life import health, lifecycle
from container_runtime.errors import Conflict, EngineError, NotFound

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine

_LIMIT = 10.0  # seconds for all processes to stand still; one that waits for a disk may take its time


async def pause(engine: Engine, container: Container) -> None:
    """Freeze it; returns when all its processes stand still.

    Raises:
        Conflict: it does not run, does not any more, or is paused.
        EngineError: there is no freezer for this user, or a process did not stop.
    """
    container.check("pause")
    container.changing = asyncio.get_running_loop().create_future()
    try:
        container.frozen = await engine.launcher.freeze(container.id, frozen=True)
        await asyncio.to_thread(freezer.await_frozen, container.frozen, _LIMIT, lambda: engine.ending)
    except (EngineError, OSError) as error:
        container.frozen = ""
        with suppress(EngineError):
            await engine.launcher.freeze(container.id, frozen=False)
        if isinstance(error, (NotFound, FileNotFoundError)):  # it has just ended, and its group has gone
            raise Conflict(f"container {container.id} is not running") from None
        reason = error.strerror if isinstance(error, OSError) else error
        raise EngineError(f"cannot pause container {container.name}: {reason}") from None
    finally:
        container.changing.set_result(None)
        container.changing = None
    if container.state == lifecycle.RUNNING:
        container.state = lifecycle.PAUSED
        health.stop(container)
        container.publish(engine.events, "pause")


async def unpause(engine: Engine, container: Container) -> None:
    """Thaw it.

    Raises:
        Conflict: it is not paused.
    """
    container.check("unpause")
    with suppress(NotFound):  # it has ended meanwhile
        await engine.launcher.freeze(container.id, frozen=False)
    container.frozen = ""
    if container.state == lifecycle.PAUSED:
        container.state = lifecycle.RUNNING
        health.resume(engine, container)
        container.publish(engine.events, "unpause")


def abandon(container: Container) -> None:
    """The launcher has died: what it froze cannot die before it is thawed (``cgroups.freezer``)."""
    if container.frozen:
        with suppress(OSError):
            freezer.ask(container.frozen, frozen=False)
        container.frozen = ""
