"""Health checks: a command of the container, run in it again and again, and what its exit codes say.

Docker's rules (moby, daemon/health.go): exit 0 is healthy; ``retries`` failures in a row are unhealthy; failures in
the start period do not count, but a success ends it; nothing is run while the container is paused.
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.engine.container import now
from container_runtime.engine.life import execs
from container_runtime.errors import EngineError, InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine

STARTING, HEALTHY, UNHEALTHY, NONE = "starting", "healthy", "unhealthy", "none"
_INTERVAL, _TIMEOUT, _START_INTERVAL, _RETRIES = 30.0, 30.0, 5.0, 3  # seconds; Docker's defaults
_KEPT = 5  # results
_OUTPUT_LIMIT = 4096  # bytes of a result
_SHORTEST = 1_000_000  # nanoseconds, which is Docker's unit here
_TIMES = ("Interval", "Timeout", "StartPeriod", "StartInterval")


class Check(NamedTuple):
    """A health check with its defaults filled in; times in seconds."""

    command: list[str]
    interval: float
    timeout: float
    start_period: float
    start_interval: float
    retries: int


class Health:
    """What is known of one container's health; Docker's ``State.Health``."""

    def __init__(self) -> None:
        self.status = STARTING
        self.failing = 0
        self.log: list[dict[str, Any]] = []
        self.begun = time.monotonic()
        """Since when it runs; the start period does not begin again when it goes on after a pause."""
        self.task: asyncio.Task[None] | None = None

    def details(self) -> dict[str, Any]:
        """``State.Health`` of inspect."""
        return {"Status": self.status, "FailingStreak": self.failing, "Log": list(self.log)}

    def record(self, result: dict[str, Any], retries: int, *, starting: bool) -> bool:
        """Note a result; ``starting``: in the start period. Whether the status has changed."""
        before = self.status
        self.log = [*self.log[-_KEPT + 1 :], result]
        if result["ExitCode"] == 0:
            self.failing, self.status = 0, HEALTHY
        elif not (starting and self.status == STARTING):
            self.failing += 1
            if self.failing >= retries:
                self.status = UNHEALTHY
        return self.status != before


def merged(image: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The image's and the request's ``Healthcheck`` in one, the request's fields first; None where there is none."""
    theirs: Mapping[str, Any] = image.get("Healthcheck") or {}
    asked: Mapping[str, Any] = body.get("Healthcheck") or {}
    found = {**theirs, **{name: value for name, value in asked.items() if value}}
    return found or None


def check_request(config: Mapping[str, Any] | None) -> None:
    """Refuse times and counts that make no sense.

    Raises:
        InvalidParameter: as Docker says it.
    """
    for name in _TIMES:
        value = (config or {}).get(name) or 0
        if value and value < _SHORTEST:
            raise InvalidParameter(f"{name} in Healthcheck cannot be less than 1ms")
    if ((config or {}).get("Retries") or 0) < 0:
        raise InvalidParameter("Retries in Healthcheck cannot be negative")
    test = (config or {}).get("Test") or []
    if test and test[0] not in {"", "NONE", "CMD", "CMD-SHELL"}:
        raise InvalidParameter(f"Unknown healthcheck type '{test[0]}' (expected 'CMD') in Healthcheck.Test")


def resolve(config: Mapping[str, Any] | None, shell: list[str]) -> Check | None:
    """The check to run; None where none is asked for, or "NONE"."""
    test: list[str] = list((config or {}).get("Test") or [])
    if config is None or len(test) < 2 or test[0] not in {"CMD", "CMD-SHELL"}:
        return None
    seconds = {name: (config.get(name) or 0) / 1e9 for name in _TIMES}
    return Check(
        command=test[1:] if test[0] == "CMD" else [*shell, test[1]],
        interval=seconds["Interval"] or _INTERVAL,
        timeout=seconds["Timeout"] or _TIMEOUT,
        start_period=seconds["StartPeriod"],
        start_interval=seconds["StartInterval"] or _START_INTERVAL,
        retries=config.get("Retries") or _RETRIES,
    )


def configuration(container: Container) -> dict[str, Any] | None:
    """The container's ``Healthcheck`` as inspect shows it."""
    return merged(container.image.config, container.body)


def _of(container: Container) -> Check | None:
    shell = list(container.image.config.get("Shell") or ["/bin/sh", "-c"])
    return resolve(configuration(container), shell)


def start(engine: Engine, container: Container) -> None:
    """The container has been started: its health is unknown again, and checked from now on. The results are kept."""
    before, container.health = container.health, Health() if _of(container) is not None else None
    if before is not None and container.health is not None:
        container.health.log = before.log
    resume(engine, container)


def resume(engine: Engine, container: Container) -> None:
    """Check again, with what is known of it."""
    check, health = _of(container), container.health
    if check is not None and health is not None:
        health.task = engine.behind(_watch(engine, container, health, check))


def stop(container: Container) -> None:
    """Check no more: the container has ended, or is paused. What nobody checks is unhealthy, as with Docker."""
    if container.health is not None and container.health.task is not None:
        container.health.task.cancel()
        container.health.task = None
        container.health.status = UNHEALTHY


async def _watch(engine: Engine, container: Container, health: Health, check: Check) -> None:
    begun = health.begun
    while True:
        starting = health.status == STARTING and time.monotonic() - begun < check.start_period
        await asyncio.sleep(check.start_interval if starting else check.interval)
        starting = time.monotonic() - begun < check.start_period
        result = await _probe(engine, container, check)
        if health.record(result, check.retries, starting=starting):
            container.publish(engine.events, f"health_status: {health.status}")


def duration(seconds: float) -> str:
    """As Go writes a time.Duration: 200ms, 1.5s, 1m30s."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest:g}s"


class _Output:
    """Keeps the beginning of a check's output."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data[: _OUTPUT_LIMIT - len(self.data)]

    async def drain(self) -> None:
        return

    def text(self) -> str:
        return self.data.decode(errors="replace")


async def _probe(engine: Engine, container: Container, check: Check) -> dict[str, Any]:
    """Run the check once; its result as Docker logs it. An exit code of -1 stands for a check that did not end."""
    begun, output, code = now(), _Output(), -1
    one = None
    try:
        one = execs.create(engine, container, {"Cmd": check.command, "AttachStdout": True, "AttachStderr": True})
        async with asyncio.timeout(check.timeout):
            await execs.start(engine, one, execs.Client(output, None, framed=False, merged=True))
        code = -1 if one.exit_code is None else one.exit_code
    except TimeoutError:
        output.data = f"Health check exceeded timeout ({duration(check.timeout)})".encode()
    except EngineError as error:
        output.data = str(error).encode()
    finally:
        if one is not None:
            execs.forget(engine, one)
            if code == -1 and one.started:  # in the middle of its start, too
                with suppress(EngineError):
                    await engine.launcher.kill(one.id, signal.SIGKILL)
    return {"Start": begun, "End": now(), "ExitCode": code, "Output": output.text()}
