"""A sandbox that is ready before it is asked for: a namespace, with its interface where the last start had one.

Namespace, veth pair, address and route take 2 ms, most of it for locks of the kernel, and depend on nothing that a
request says. They are made soon after a start, for a container like the one that was started.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from container_runtime.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.network.model import Network
    from container_runtime.network.sandbox import Sandbox

_DELAY = 0.005  # seconds after a start: its client has its answer, and what it asks for next goes first


class SpareSandbox:
    """At most one sandbox in waiting."""

    def __init__(self, make: Callable[[Network | None], Sandbox], bury: Callable[[Sandbox], None]) -> None:
        """``make`` wires one in a network, or in none; ``bury`` lets go of one."""
        self._make = make
        self._bury = bury
        self._wanted = False
        self._network: Network | None = None
        self._sandbox: Sandbox | None = None
        self._timer: asyncio.TimerHandle | None = None

    def address_in(self, network: Network) -> str:
        """The address that it holds in this network; empty for none."""
        ready = self._sandbox.ready if self._sandbox is not None and self._network is network else None
        return "" if ready is None else ready.address

    def take(self, network: Network | None) -> Sandbox | None:
        """The waiting sandbox, if it is in this network (None: in none); the next one will be."""
        if self._network is not network:
            self.discard()
        found, self._sandbox = self._sandbox, None
        self._network, self._wanted = network, True
        return found

    def prepare_soon(self) -> None:
        """Make the next one, after a moment."""
        if self._timer is None and self._wanted and self._sandbox is None:
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self._prepare)

    def forget(self, network: Network) -> None:
        """The network goes: nothing may wait in it."""
        if self._network is network:
            self.discard()

    def _prepare(self) -> None:
        self._timer = None
        if not self._wanted or self._sandbox is not None:
            return
        try:
            self._sandbox = self._make(self._network)
        except (EngineError, OSError):
            self._wanted = False  # what is wrong will be said by the next start

    def discard(self) -> None:
        """Let go of what waits, and make none until the next start."""
        if self._timer is not None:
            self._timer.cancel()
        sandbox, self._timer, self._network, self._sandbox = self._sandbox, None, None, None
        self._wanted = False
        if sandbox is not None:
            self._bury(sandbox)
