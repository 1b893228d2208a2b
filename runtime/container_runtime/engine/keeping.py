"""What the engine ends with, and how it goes on without: for containers that are looked at after their run."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE = 3600.0
"""Seconds without any client after which an engine that was let go ends."""


class Lifelines:
    """Descriptors that can be read when what the engine belongs to has ended: ``end`` is called then."""

    def __init__(self, end: Callable[[], None]) -> None:
        """Nothing is watched yet."""
        self._end = end
        self._watched: set[int] = set()
        self._clients = 0
        self._idle: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, descriptor: int) -> None:
        """End when it can be read; it is closed then."""
        self._watched.add(descriptor)
        asyncio.get_running_loop().add_reader(descriptor, self._ended, descriptor)

    def _ended(self, descriptor: int) -> None:
        self._forget(descriptor)
        self._end()

    def _forget(self, descriptor: int) -> None:
        self._watched.discard(descriptor)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)

    def let_go(self, idle: float = IDLE) -> None:
        """Watch nothing any more; end after ``idle`` seconds without a client."""
        for descriptor in [*self._watched]:
            self._forget(descriptor)
        self._idle = idle
        self._count(0)

    def came(self) -> None:
        """A client has connected."""
        self._count(1)

    def went(self) -> None:
        """It has gone."""
        self._count(-1)

    def _count(self, change: int) -> None:
        self._clients += change
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._idle is not None and not self._clients:
            self._timer = asyncio.get_running_loop().call_later(self._idle, self._end)
