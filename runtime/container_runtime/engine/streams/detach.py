"""Detach keys: what a client types to leave an attached terminal running.

Syntax and matching are those of github.com/moby/term (ascii.go, proxy.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEFAULT = b"\x10\x11"
"""ctrl-p, ctrl-q"""
_CONTROL = {
    **{chr(96 + number): number for number in range(1, 27)},
    "@": 0,
    "[": 27,
    "\\": 28,
    "]": 29,
    "^": 30,
    "_": 31,
}


def parse(text: str) -> bytes:
    """Keys such as ``ctrl-p,ctrl-q`` or ``ctrl-a,x``; the default where there are none.

    Raises:
        InvalidParameter: not that.
    """
    if not text:
        return DEFAULT
    keys = bytearray()
    for key in text.split(","):
        if len(key) == 1 and key.isascii():
            keys += key.encode()
        elif key.lower().startswith("ctrl-") and key[5:].lower() in _CONTROL:
            keys.append(_CONTROL[key[5:].lower()])
        else:
            raise InvalidParameter(f"Invalid detach keys ({text}) provided")
    return bytes(keys)


class Watcher:
    """Looks for the keys in what is typed, however it comes in pieces; holds back what may become them."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""
        self.detached = False

    def feed(self, data: bytes) -> bytes:
        """What of ``data`` and of what was held is to be passed on."""
        data = self._held + data
        position = data.find(self._keys)
        if position >= 0:
            self.detached = True
            self._held = b""
            return data[:position]
        most = min(len(self._keys) - 1, len(data))
        kept = next((size for size in range(most, 0, -1) if data.endswith(self._keys[:size])), 0)
        self._held = data[len(data) - kept :]
        return data[: len(data) - kept]


async def until_detached(incoming: AsyncIterator[bytes], watcher: Watcher) -> AsyncIterator[bytes]:
    """What comes before the keys."""
    async for data in incoming:
        if passed := watcher.feed(data):
            yield passed
        if watcher.detached:
            return
