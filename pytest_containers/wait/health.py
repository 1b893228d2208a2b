"""Ready when the container's own health check says so."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_containers.client.errors import ClientError
from pytest_containers.errors import ContainerError
from pytest_containers.wait.base import Probe, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_containers.wait.base import Target


class _HealthProbe(Probe):
    """A thread reads the engine's events and rings an eventfd; then the health is looked at."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._failure: Exception | None = None
        self._news = True
        self._events = target.health_events()  # before the first look, so that no change is missed
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._read, name="pytest-containers health wait", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for _ in self._events:
                os.eventfd_write(self._bell, 1)
        except ClientError as error:
            self._failure = error
            os.eventfd_write(self._bell, 1)

    def check(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            self._news |= bool(os.eventfd_read(self._bell))
        if not self._news:
            return False
        self._news = False
        if self._failure is not None:
            raise ContainerError(f"its health cannot be followed: {self._failure}")
        self.tries += 1
        health = self._target.health()
        if health is None:
            raise ContainerError(
                "it has no health check: its image declares none (wait.command, wait.http or wait.port)"
            )
        return health.get("Status") == "healthy"

    @property
    def seen(self) -> str:
        health = self._target.health() or {}
        checks = health.get("Log") or []
        words = f"its health is {health.get('Status', 'unknown')}"
        if not checks:
            return f"{words}, and no check has ended yet"
        output = checks[-1].get("Output", "").strip()
        return f"{words}, the last check ended with exit code {checks[-1].get('ExitCode')}: {output[:200]!r}"

    def readable(self) -> Iterable[int]:
        return (self._bell,)

    def close(self) -> None:
        self._events.close()
        self._thread.join()
        os.close(self._bell)


@dataclass(frozen=True)
class Healthy(Wait):
    """See ``healthy``."""

    def begin(self, target: Target) -> Probe:
        """Start to listen to the engine."""
        return _HealthProbe(target)

    def __str__(self) -> str:
        return "its health check"


def healthy() -> Wait:
    """Ready when the engine finds it healthy, by the HEALTHCHECK of its image and as often as that says.

    One that has been found unhealthy may still become healthy: only the time limit ends this.
    """
    return Healthy()
