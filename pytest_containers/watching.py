"""The watch over what a run makes on an engine that knows no lifeline: Docker, Podman, a remote one.

A process of its own (``watcher.py``) removes what carries the run's label when the run is over and something is left,
because pytest was killed, or a worker of xdist was. It has a FIFO, which all processes of the run hold open for
writing: they tell it what is to stay, and by its hang-up it knows that the last of them is gone.

The directory with the FIFO appears under its name in one step (rename), with the FIFO open for reading: of xdist's
workers one starts the process, and the others find it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_containers.client.address import Address

FIFO = "run"
END, KEEP = "end", "keep"
"""What the process is told, a line each: the run is over; something is to stay (its id or name follows)."""


def place_of(run: str) -> Path:
    """The directory of a run's watch."""
    return Path(tempfile.gettempdir()) / f"pytest-containers-{run}-watch"


class Watch:
    """One process's hold on the watch over its run.

    ``watched``: the process whose end is the run's; ``shared``: others have it, too, and outlast this one.
    """

    def __init__(self, run: str, watched: int, *, shared: bool = False) -> None:
        self._run = run
        self._watched = watched
        self._shared = shared
        self._owner = os.getpid()
        self._fifo = -1
        self._pid = 0

    @property
    def begun(self) -> bool:
        """Whether there is one."""
        return self._fifo >= 0

    def begin(self, address: Address) -> None:
        """Start it, where no other process of the run has; OSError."""
        if self._fifo >= 0:
            return
        place = place_of(self._run)
        if not place.exists():
            self._start(place, address)
        with contextlib.suppress(FileNotFoundError):  # the run is over: nobody is told any more
            self._fifo = os.open(place / FIFO, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def _start(self, place: Path, address: Address) -> None:
        building = Path(tempfile.mkdtemp(prefix=f"{place.name}-"))
        held: list[int] = []
        try:
            os.mkfifo(building / FIFO, 0o600)
            held.append(os.open(building / FIFO, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            if sys.platform == "linux":
                with contextlib.suppress(OSError):  # a kernel before 5.3
                    held.append(os.pidfd_open(self._watched))
            building.rename(place)
        except OSError:
            for descriptor in held:
                os.close(descriptor)
            shutil.rmtree(building, ignore_errors=True)
            if place.exists():  # another worker was faster
                return
            raise
        try:
            self._spawn(place, address, held)
        finally:
            for descriptor in held:
                os.close(descriptor)

    def _spawn(self, place: Path, address: Address, held: list[int]) -> None:
        fifo, pidfd = (*held, -1)[:2]
        task = {
            "place": os.fspath(place),
            "address": [*address[:4], list(address.tls) if address.tls else None, *address[5:]],
            "run": self._run,
            "fifo": fifo,
            "pidfd": pidfd,
        }
        self._pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", "pytest_containers.watcher", json.dumps(task)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                *((os.POSIX_SPAWN_DUP2, descriptor, descriptor) for descriptor in held),
            ],
            setsid=True,  # neither Ctrl-C nor the terminal's end is for it
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP),
        )

    def keep(self, name: str) -> None:
        """What has this id or name is to outlive the run."""
        self._tell(f"{KEEP} {name}")

    def _tell(self, line: str) -> None:
        if self._fifo >= 0:
            with contextlib.suppress(OSError):  # it was killed
                os.write(self._fifo, f"{line}\n".encode())  # shorter than PIPE_BUF: in one piece, whoever else writes

    def end_of_workers(self, limit: float) -> None:
        """The same as ``close`` in xdist's controller, which has not begun it: it returns when nothing is left."""
        with contextlib.suppress(OSError):
            self._fifo = os.open(place_of(self._run) / FIFO, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.close(limit)

    def close(self, limit: float) -> None:
        """Let go of it; where the run is over with this process, return when nothing is left, or after ``limit`` s."""
        if self._fifo < 0 or os.getpid() != self._owner:  # a forked child of a test
            return
        if not self._shared:
            self._tell(END)
            poll = select.poll()
            poll.register(self._fifo, 0)  # POLLERR: nobody reads any more
            if poll.poll(limit * 1000) and self._pid:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self._pid, 0)
        os.close(self._fifo)
        self._fifo = -1
