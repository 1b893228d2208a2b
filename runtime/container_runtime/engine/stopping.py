"""Signals to a container, and waiting for its end."""

from __future__ import annotations

import asyncio
import signal as signals
from typing import TYPE_CHECKING

from container_runtime.engine import lifecycle
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
    """Send a signal; a SIGKILL returns when the container has ended."""
    number = signal_number(signal)
    container.check("kill")
    await engine.launcher.kill(container.id, number)
    container.publish(engine.events, "kill", signal=str(number))
    if number == signals.SIGKILL:
        await asyncio.shield(container.ended)


async def stop(engine: Engine, container: Container, patience: int | None, signal: str | None) -> None:
    """Ask it to end, kill it after ``patience`` seconds (None: its own, or 10; negative: never)."""
    container.check("stop")
    chosen = signal or container.body.get("StopSignal") or container.image.config.get("StopSignal") or "SIGTERM"
    limit = patience
    if limit is None:
        limit = container.body.get("StopTimeout")
    if limit is None:
        limit = DEFAULT_STOP_TIMEOUT
    try:
        await engine.launcher.kill(container.id, signal_number(chosen))
        _, waiting = await asyncio.wait([container.ended], timeout=None if limit < 0 else limit)
        if waiting:
            await engine.launcher.kill(container.id, int(signals.SIGKILL))
    except NotFound:
        pass  # it ended meanwhile
    await asyncio.shield(container.ended)
    container.publish(engine.events, "stop")


async def wait(container: Container, condition: str) -> int:
    """The exit code, when the condition holds.

    Raises:
        InvalidParameter: a condition that Docker does not have.
    """
    if condition in {"", "not-running"}:
        if container.state in {lifecycle.CREATED, lifecycle.EXITED}:
            return container.exit_code
        return await asyncio.shield(container.ended)
    if condition == "next-exit":
        if container.ended.done() and not container.running:
            container.ended = asyncio.get_running_loop().create_future()
        return await asyncio.shield(container.ended)
    if condition == "removed":
        return await asyncio.shield(container.removed)
    raise InvalidParameter(f'invalid condition: "{condition}"')
