"""Signals to a container, and waiting for its end."""

from __future__ import annotations

import asyncio
import signal as signals
from contextlib import suppress
from typing import TYPE_CHECKING

from container_runtime.engine.life import lifecycle, pausing, running
from container_runtime.errors import InvalidParameter, NotFound

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine

DEFAULT_STOP_TIMEOUT = 10  # seconds between the stop signal and SIGKILL, as Docker waits


def signal_number(text: str) -> int:
    """A signal by number or name, with or without SIG.

    Raises:
        InvalidParameter: there is none such.
    """
    if text.isascii() and text.isdigit() and 0 < int(text) < signals.NSIG:
        return int(text)
    name = text.upper() if text.upper().startswith("SIG") else f"SIG{text.upper()}"
    try:
        return int(signals.Signals[name])
    except KeyError:
        raise InvalidParameter(f"Invalid signal: {text}") from None


async def kill(engine: Engine, container: Container, signal: str) -> None:
    """Send a signal; a SIGKILL returns when the container has ended. No restart policy starts it after this."""
    number = signal_number(signal)
    await container.settle()
    container.check("kill")
    if _restart_cancelled(container):
        return
    container.restarts.give_up()
    ended = container.ended
    with suppress(NotFound):  # it has just ended
        await _send(engine, container, number)
    if number == signals.SIGKILL:
        await asyncio.shield(ended)


async def _send(engine: Engine, container: Container, number: int) -> None:
    """A signal that may end a container thaws it, or it would never arrive.

    Which may: SIGKILL, and the stop signal where one was chosen, else any (moby, daemon/kill.go, killWithSignal).
    """
    await container.settle()
    await engine.launcher.kill(container.id, number)
    container.publish(engine.events, "kill", signal=str(number))
    chosen = _chosen_stop_signal(container)
    if container.state == lifecycle.PAUSED and (not chosen or number in {signals.SIGKILL, signal_number(chosen)}):
        await pausing.unpause(engine, container)


def _restart_cancelled(container: Container) -> bool:
    """Whether it was waiting for its next start, which then does not come."""
    if container.state != lifecycle.RESTARTING:
        return False
    container.restarts.give_up()
    container.state = lifecycle.EXITED
    if not container.ended.done():
        container.ended.set_result(container.exit_code)
    return True


def stop_signal(container: Container) -> int:
    """The signal that asks it to end: its own, else its image's, else SIGTERM."""
    return signal_number(_chosen_stop_signal(container) or "SIGTERM")


def _chosen_stop_signal(container: Container) -> str:
    return container.body.get("StopSignal") or container.image.config.get("StopSignal") or ""


async def stop(engine: Engine, container: Container, patience: int | None, signal: str | None) -> None:
    """Ask it to end, kill it after ``patience`` seconds (None: its own, or 10; negative: never)."""
    await container.settle()
    container.check("stop")
    number = signal_number(signal) if signal else stop_signal(container)
    limit = patience
    if limit is None:
        limit = container.body.get("StopTimeout")
    if limit is None:
        limit = DEFAULT_STOP_TIMEOUT
    if not _restart_cancelled(container):
        container.restarts.give_up()
        await _end(engine, container, number, None if limit < 0 else limit)
    container.publish(engine.events, "stop")


async def _end(engine: Engine, container: Container, number: int, limit: float | None) -> None:
    ended = container.ended
    try:
        await _send(engine, container, number)
        _, waiting = await asyncio.wait([ended], timeout=limit)
        if waiting:
            await _send(engine, container, signals.SIGKILL)
    except NotFound:
        pass  # it ended meanwhile
    await asyncio.shield(ended)


async def restart(engine: Engine, container: Container, patience: int | None, signal: str | None) -> None:
    """Stop it where it runs, and start it."""
    await container.settle()
    container.check("restart")
    async with container.lock:
        if container.active:
            container.restarts.by_client = True
            try:
                await stop(engine, container, patience, signal)
            finally:
                container.restarts.by_client = False
        await running.start(engine, container)
    container.publish(engine.events, "restart")


async def wait(container: Container, condition: str) -> int:
    """The exit code, when the condition holds.

    Raises:
        InvalidParameter: a condition that Docker does not have.
    """
    if condition in {"", "not-running"}:
        if container.state in lifecycle.ENDED:
            return container.exit_code
        return await asyncio.shield(container.next_end())
    if condition == "next-exit":
        return await asyncio.shield(container.next_end())
    if condition == "removed":
        return await asyncio.shield(container.removed)
    raise InvalidParameter(f'invalid condition: "{condition}"')
