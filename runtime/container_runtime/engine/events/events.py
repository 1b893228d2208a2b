"""What happened, for whoever listens: a ring of the last events, read by each listener at its own pace.

The words are Docker's: types ``container``, ``image``, ``network``, ``volume``; ``Actor.Attributes`` have the name of
the object, its labels (containers, images), and what the action says more (moby, daemon/events.go).

A listener that falls behind by more than the ring misses what was overwritten, and costs no memory.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_RING = 1024


class Event(NamedTuple):
    """One event; ``attributes`` are Docker's actor attributes."""

    time: int
    type: str
    action: str
    identity: str
    attributes: Mapping[str, str]

    def message(self) -> dict[str, Any]:
        """Docker's JSON (``EventMessage``), with the old fields that its CLI still reads for containers."""
        message: dict[str, Any] = {
            "Type": self.type,
            "Action": self.action,
            "Actor": {"ID": self.identity, "Attributes": dict(self.attributes)},
            "scope": "local",
            "time": self.time // 1_000_000_000,
            "timeNano": self.time,
        }
        if self.type in {"container", "image"}:
            message |= {"status": self.action, "id": self.identity}
        if self.type == "container":
            message["from"] = self.attributes.get("image", "")
        return message


class Bus:
    """The engine's events."""

    def __init__(self) -> None:
        self._ring: list[Event | None] = [None] * _RING
        self._next = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._closed = False

    def publish(self, kind: str, action: str, identity: str, attributes: Mapping[str, str] | None = None) -> None:
        """Tell that ``action`` happened to the object ``identity`` of type ``kind``."""
        self._ring[self._next % _RING] = Event(time.time_ns(), kind, action, identity, attributes or {})
        self._next += 1
        self._wake()

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def close(self) -> None:
        """End all listeners."""
        self._closed = True
        self._wake()

    def listen(self, since: int | None = None, until: int | None = None) -> AsyncIterator[Event]:
        """Events from ``since`` (None: from now on) to ``until`` (None: for ever), in nanoseconds since the epoch.

        Past ones come first; with ``until`` alone all of the past that is known. It begins with this call, and not
        when the first event is asked for.
        """
        past = since is not None or until is not None
        return self._events(max(0, self._next - _RING) if past else self._next, since or 0, until)

    async def _events(self, number: int, since: int, until: int | None) -> AsyncIterator[Event]:
        while True:
            number = max(number, self._next - _RING)
            while number < self._next:
                event = self._ring[number % _RING]
                number = max(number + 1, self._next - _RING)
                if event is not None and event.time >= since:
                    if until is not None and event.time > until:
                        return
                    yield event
            if not await self._more(number, until):
                return

    async def _more(self, number: int, until: int | None) -> bool:
        left = None if until is None else (until - time.time_ns()) / 1e9
        if self._closed or (left is not None and left <= 0):
            return False
        if number < self._next:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await asyncio.wait_for(future, left)
        except TimeoutError:
            return False
        finally:
            if future in self._waiting:
                self._waiting.remove(future)
        return not self._closed
