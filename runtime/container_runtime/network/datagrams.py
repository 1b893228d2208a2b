"""Datagrams on their way between two places: a socket for each asker, kept while something comes or goes.

UDP has no connections, but a service sees who asks, and an answer has to find its way back. So each asker (and place
it asks) is a flow with a socket of its own, which ends when nothing has come or gone for a while, or when there are
too many: the one that was silent for longest goes first.
"""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Hashable

    Key = tuple["socket.socket", Hashable]

IDLE = 90.0  # seconds; what docker-proxy waits (moby, cmd/docker-proxy/udp_proxy_linux.go: UDPConnTrackTimeout)
MOST = 1024
LONGEST = 65535
BATCH = 64
"""Datagrams that are taken from a socket before others have their turn."""


class Flow:
    """One asker's: ``ahead`` is connected to whom it asks, ``back`` takes what is answered to it."""

    __slots__ = ("ahead", "back", "deadline", "destination", "owned")

    def __init__(
        self,
        ahead: socket.socket,
        back: Callable[[bytes], object],
        *owned: socket.socket,
        destination: tuple[str, int] | None = None,
    ) -> None:
        """``owned`` are closed with ``ahead``, when the flow ends.

        With a ``destination``, ``ahead`` is not connected, and whatever address has its port may answer: a service of
        the machine that listens at all its loopback addresses answers from 127.0.0.1, whichever was asked.
        """
        self.ahead, self.back, self.owned, self.destination = ahead, back, (ahead, *owned), destination
        self.deadline = 0.0

    def send(self, data: bytes) -> None:
        """Ask."""
        if self.destination is None:
            self.ahead.send(data)
        else:
            self.ahead.sendto(data, self.destination)

    def pass_back(self) -> None:
        """One answer, if it is from whom was asked; BlockingIOError where there is none."""
        data, sender = self.ahead.recvfrom(LONGEST)
        if self.destination is None or sender[1] == self.destination[1]:
            self.back(data)


class Flows:
    """Flows by asker: a key whose first part is the listening socket that heard it."""

    def __init__(self, most: int = 0, idle: float = IDLE) -> None:
        """On the running loop; ``most``: 0 for as many as leave descriptors for everything else."""
        self._loop = asyncio.get_running_loop()
        self._most, self._idle = most or min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8), idle
        self._flows: OrderedDict[Key, Flow] = OrderedDict()  # the one that was silent for longest comes first
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._flows)

    def send(self, key: Key, data: bytes, make: Callable[[], Flow]) -> None:
        """Pass an asker's datagram on; ``make`` is called where it has no flow yet.

        What cannot be sent is lost, as datagrams may be; a flow that nobody answers for (ECONNREFUSED) ends.
        """
        flow = self._flows.get(key)
        try:
            if flow is None:
                flow = self._add(key, make())
            self._used(key, flow)
            flow.send(data)
        except BlockingIOError:
            return
        except OSError:
            self.end(key)

    def _add(self, key: Key, flow: Flow) -> Flow:
        while len(self._flows) >= self._most:
            self.end(next(iter(self._flows)))
        self._flows[key] = flow
        self._loop.add_reader(flow.ahead.fileno(), self._answered, key, flow)
        return flow

    def _answered(self, key: Key, flow: Flow) -> None:
        try:
            for _ in range(BATCH):
                flow.pass_back()
                self._used(key, flow)
        except BlockingIOError:
            return
        except OSError:  # nobody is there, as the machine over there says
            self.end(key)

    def _used(self, key: Key, flow: Flow) -> None:
        flow.deadline = self._loop.time() + self._idle
        self._flows.move_to_end(key)
        if self._timer is None:
            self._timer = self._loop.call_at(flow.deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._flows:
            key, flow = next(iter(self._flows.items()))
            if flow.deadline > now:
                self._timer = self._loop.call_at(flow.deadline, self._expire)
                return
            self.end(key)

    def end(self, key: Key) -> None:
        """End an asker's flow, where there is one."""
        flow = self._flows.pop(key, None)
        if flow is not None:
            self._loop.remove_reader(flow.ahead.fileno())
            for owned in flow.owned:
                owned.close()

    def end_of(self, listener: socket.socket) -> None:
        """End what came by a listening socket."""
        for key in [key for key in self._flows if key[0] is listener]:
            self.end(key)

    def close(self) -> None:
        """End all."""
        for key in [*self._flows]:
            self.end(key)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def receive(listener: socket.socket, take: Callable[[bytes, list[Any], Any], None], ancillary: int) -> None:
    """What is to be read at a listening socket: data, control messages and sender, given to ``take`` one by one."""
    for _ in range(BATCH):
        try:
            data, control, _, sender = listener.recvmsg(LONGEST, ancillary)
        except BlockingIOError:
            return
        except OSError:  # an error that an earlier answer met (ip(7), IP_RECVERR); the socket goes on
            continue
        take(data, control, sender)
