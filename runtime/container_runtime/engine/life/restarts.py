"""Restart policies: whether a container that has ended is started again, and when.

The rules are Docker's (moby, daemon/internal/restartmanager): a container that a client stopped or sent a signal to
stays down; each attempt waits twice as long as the one before, unless the container ran for ten seconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from container_runtime.engine.life import lifecycle
from container_runtime.errors import EngineError, InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from container_runtime.engine.container import Container

POLICIES = ("no", "always", "unless-stopped", "on-failure")
FIRST_DELAY = 0.1  # seconds, as the two that follow
LONGEST_DELAY = 60.0
SETTLED = 10.0


class Restarts:
    """What one container's restarts are decided by."""

    __slots__ = ("by_client", "count", "delay", "stopped", "timer")

    def __init__(self) -> None:
        self.count = 0
        self.delay = 0.0
        self.stopped = False
        """Whether a client ended it, or asked for that."""
        self.by_client = False
        """Whether a client is about to start it again, so that --rm does not hold for this end."""
        self.timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A client starts it: all is forgotten."""
        self.count, self.delay, self.stopped = 0, 0.0, False

    def give_up(self) -> None:
        """It will not be started again."""
        self.stopped = True
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def wanted(self, policy: Mapping[str, Any], exit_code: int) -> bool:
        """Whether the policy wants another start after this exit."""
        name = policy.get("Name") or "no"
        if self.stopped or name == "no":
            return False
        if name == "on-failure":
            most = policy.get("MaximumRetryCount") or 0
            return exit_code != 0 and (not most or self.count < most)
        return True

    def next_delay(self, ran: float) -> float:
        """Seconds until the next start of a container that ran for ``ran`` seconds."""
        self.delay = FIRST_DELAY if not self.delay or ran >= SETTLED else min(2 * self.delay, LONGEST_DELAY)
        return self.delay


def check_policy(host: Mapping[str, Any]) -> None:
    """Refuse a policy that makes no sense.

    Raises:
        InvalidParameter: an unknown name, a count without on-failure, or --rm together with restarts.
    """
    policy = host.get("RestartPolicy") or {}
    name, most = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    if name not in POLICIES:
        raise InvalidParameter(
            f"invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or "
            "'unless-stopped'"
        )
    if most < 0:
        raise InvalidParameter("invalid restart policy: maximum retry count cannot be negative")
    if most and name != "on-failure":
        raise InvalidParameter("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if name != "no" and host.get("AutoRemove"):
        raise InvalidParameter("can't create 'AutoRemove' container with restart policy")


def schedule(container: Container, ran: float, again: Callable[[], Awaitable[None]], behind: Any) -> None:
    """Call ``again`` after the delay, as a task of ``behind``; the container is "restarting" until then."""
    restarts = container.restarts
    container.state = lifecycle.RESTARTING
    restarts.timer = asyncio.get_running_loop().call_later(
        restarts.next_delay(ran), lambda: behind(_attempt(container, again))
    )


async def _attempt(container: Container, again: Callable[[], Awaitable[None]]) -> None:
    container.restarts.timer = None
    async with container.lock:
        if container.state != lifecycle.RESTARTING or container.restarts.stopped:
            return
        container.restarts.count += 1
        try:
            await again()
        except EngineError:
            return  # the container's own State.Error says it, as with Docker
