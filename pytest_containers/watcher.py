"""The process that removes what a run has left on an engine: ``python -m pytest_containers.watcher TASK``.

It waits in the kernel for the end of the run's first process or for being told, and then until no process of the run is
left that could make something new. See ``watching.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pytest_containers.client import Client
from pytest_containers.client.address import TLS, Address
from pytest_containers.client.errors import ClientError
from pytest_containers.watching import END, FIFO, KEEP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RUN_LABEL = "org.pytest-containers.run"  # engine.py has the same; it is not imported, since it imports much
GRACE = 20.0
"""Seconds that workers may take to end after their controller was killed; execnet gives them ten."""
ANSWER_LIMIT = 60.0
"""Seconds that the engine may take for one request."""
AT_ONCE = 8
"""Containers that are removed at the same time."""


class Watched:
    """What is heard of a run through its FIFO: what is to stay, and its end."""

    def __init__(self, fifo: int) -> None:
        self._fifo = fifo
        self._rest = b""
        self.kept: set[str] = set()
        self.over: bool = False

    def read(self) -> bool:
        """Take what was said; false where nobody holds the FIFO any more."""
        while True:
            try:
                piece = os.read(self._fifo, 65536)
            except BlockingIOError:
                return True
            if not piece:
                return False
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                verb, _, what = line.decode(errors="replace").partition(" ")
                if verb == KEEP:
                    self.kept.add(what)
                self.over = self.over or verb == END


def await_end(watched: Watched, fifo: int, place: str, pidfd: int) -> None:
    """Return when the run is over: told so, or its first process ended; without a pidfd (-1), when all have."""
    poll = select.poll()
    poll.register(fifo, select.POLLIN)
    if pidfd < 0:
        while not watched.over and poll.poll() and watched.read():
            pass
        return
    # Held open by us, too: or the FIFO would hang up, again and again, while no worker happens to have it.
    own = os.open(os.path.join(place, FIFO), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # noqa: PTH118
    poll.register(pidfd, select.POLLIN)
    while not watched.over and pidfd not in {descriptor for descriptor, _ in poll.poll()}:
        watched.read()
    os.close(own)


def await_others(watched: Watched, fifo: int) -> Iterator[None]:
    """Yield when no process of a run that was killed is left; before that, too, where some are."""
    poll = select.poll()
    poll.register(fifo, select.POLLIN)
    if not poll.poll(0):
        yield
    while poll.poll(GRACE * 1000) and watched.read():
        pass
    yield


def remove(client: Client, run: str, kept: set[str]) -> None:
    """Remove the containers, networks and volumes of a run, but for what is to be kept."""
    filters = {"label": [f"{RUN_LABEL}={run}"]}
    found = [each.get("Id", "") for each in client.containers.list(all=True, filters=filters)]
    _each((lambda one: client.containers.kill(one, "SIGKILL")), set(found) - kept)  # Podman's removal would be patient
    _each((lambda one: client.containers.remove(one, force=True, volumes=True)), set(found) - kept)
    networks = {each.get("Id", "") for each in client.networks.list(filters=filters)}
    _each(client.networks.remove, networks - kept)  # one that is in use, by what is kept, is refused
    volumes = {each.get("Name", "") for each in client.volumes.list(filters=filters)}
    _each(client.volumes.remove, volumes - kept)


def _each(call: Callable[[str], object], names: Iterable[str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(call, name) for name in names]:
            with contextlib.suppress(ClientError):  # it is gone, or kept by something that is in use
                done.result()


def main() -> None:
    """See above."""
    task: dict[str, Any] = json.loads(sys.argv[1])
    url, path, host, port, tls, ssh, user = task["address"]
    address = Address(url, path, host, port, TLS(*tls) if tls else None, ssh, user)
    fifo, pidfd = task["fifo"], task["pidfd"]
    watched = Watched(fifo)
    try:
        await_end(watched, fifo, task["place"], pidfd)
        with Client(address, ANSWER_LIMIT) as client:
            for _ in await_others(watched, fifo) if pidfd >= 0 and not watched.over else (None,):
                with contextlib.suppress(ClientError):
                    remove(client, task["run"], watched.kept)
    finally:
        shutil.rmtree(task["place"], ignore_errors=True)


if __name__ == "__main__":
    main()
