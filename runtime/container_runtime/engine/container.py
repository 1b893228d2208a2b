"""One container as the engine knows it: what was asked for, what it is now, and Docker's view of both."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from container_runtime.engine.life import lifecycle
from container_runtime.engine.life.restarts import Restarts
from container_runtime.engine.streams import logconfig
from container_runtime.engine.streams.logfile import ContainerLog

if TYPE_CHECKING:
    from pathlib import Path

    from container_runtime.engine.events.events import Bus
    from container_runtime.engine.life.health import Health
    from container_runtime.engine.request.mountpoints import MountPoint
    from container_runtime.engine.streams.streams import InputPipe, OutputPipe
    from container_runtime.engine.streams.terminal import Terminal
    from container_runtime.images.model import Image
    from container_runtime.network.model import Endpoint, Network
    from container_runtime.network.publisher import Published
    from container_runtime.oci.spec import Process

NEVER = "0001-01-01T00:00:00Z"
"""Docker's time of what has not happened."""
NETWORKLESS = frozenset({"none", "host"})


def now() -> str:
    """The present moment in RFC 3339 with nanoseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"


def seconds_between(first: str, second: str) -> float:
    """Between two moments as ``now`` writes them."""
    a, b = (datetime.fromisoformat(moment[:26]) for moment in (first, second))
    return (b - a).total_seconds()


class Container:
    """A record; what happens to it is decided by ``containers``."""

    def __init__(self, identity: str, name: str, body: dict[str, Any], image: Image, directory: Path) -> None:
        """``body``: the create request, types checked; ``directory``: of its small files, in the run directory."""
        self.id = identity
        self.name = name
        self.body = body
        self.host: dict[str, Any] = body.get("HostConfig") or {}
        self.image = image
        self.directory = directory
        self.log_config = logconfig.parse(self.host)
        self.log_details = self._log_details()
        self.log = ContainerLog(directory / "log", self.log_config.max_size, self.log_config.max_files)
        self.created = now()
        self.created_seconds = int(time.time())
        self.state = self.before = lifecycle.CREATED  # ``before``: what clients see while it is being started
        self.pid = self.exit_code = 0
        self.oom_killed = False
        self.error = ""
        self.started_at = self.finished_at = NEVER
        self.hostname: str = body.get("Hostname") or self._default_hostname()
        self.process: Process | None = None
        self.seccomp = ""
        self.endpoints: dict[str, tuple[Network, Endpoint]] = {}
        self.outputs: list[OutputPipe] = []
        self.stdin: InputPipe | None = None
        self.terminal: Terminal | None = None
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.removed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.removal: asyncio.Task[None] | None = None
        self.lock = asyncio.Lock()
        self.begun = asyncio.Event()
        self.changing: asyncio.Future[None] | None = None
        """Done when the start or pause that goes on has succeeded or failed."""
        self.restarts = Restarts()
        self.points: list[MountPoint] = []
        self.bases: dict[str, tuple[str, ...]] = {}
        """Frozen layers between image and writable layer (``freezing``): of each part of the root, top first."""
        self.health: Health | None = None
        self.published: list[Published] | None = None
        """Where its ports are reached; None while nothing can be published."""
        self.frozen = ""
        """The cgroup's file that thaws it, while it is paused."""

    def _log_details(self) -> str:
        image = self.image.id.removeprefix("sha256:")
        names = {
            "ID": self.id[:12],
            "FullID": self.id,
            "Name": self.name,
            "ImageID": image[:12],
            "ImageFullID": self.image.id,
            "ImageName": self.body["Image"],
            "DaemonName": "docker",
        }
        environment = [*(self.image.config.get("Env") or []), *(self.body.get("Env") or [])]
        return logconfig.details(self.log_config, self.labels, environment, names)

    @functools.cached_property
    def network_files(self) -> Path:
        """Where its hosts, hostname and resolv.conf lie; those of the container whose network it shares, if it does."""
        return self.directory

    @functools.cached_property
    def readers(self) -> set[asyncio.Future[None]]:
        """Of each who reads its files on the disk, done when he has (``files.session.kept``)."""
        return set()

    @functools.cached_property
    def checkpoints(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """By name, what ``bases`` is after a return to it."""
        return {}

    def _default_hostname(self) -> str:
        """The machine's where it shares that, else the beginning of its id."""
        machines = self.network_mode == "host" or self.host.get("UTSMode") == "host"
        return os.uname().nodename if machines else self.id[:12]

    @property
    def running(self) -> bool:
        """Whether it has a first process, paused ones included."""
        return self.state in {lifecycle.RUNNING, lifecycle.PAUSED}

    @property
    def active(self) -> bool:
        """What Docker calls running: it runs, or will again without a client's doing."""
        return self.visible_state() in lifecycle.ACTIVE

    @property
    def network_mode(self) -> str:
        """As it was asked for: a network's name, "none", "host" or "container:…"."""
        if self.body.get("NetworkDisabled"):
            return "none"
        mode = self.host.get("NetworkMode") or "bridge"
        return "bridge" if mode == "default" else mode

    @property
    def labels(self) -> dict[str, str]:
        """The image's and its own."""
        return {**(self.image.config.get("Labels") or {}), **(self.body.get("Labels") or {})}

    @property
    def tty(self) -> bool:
        """Whether it has a terminal."""
        return bool(self.body.get("Tty"))

    def check(self, operation: str) -> None:
        """Ask the life-cycle table."""
        lifecycle.check(operation, self.state, identity=self.id, name=self.name)

    async def settle(self) -> None:
        """Return when it is neither being started nor paused: what ends it must not come in the middle of that."""
        while self.changing is not None:
            await asyncio.shield(self.changing)

    def publish(self, events: Bus, action: str, **more: str) -> None:
        """Tell listeners what happened to it."""
        attributes = {**self.labels, **more, "image": self.body["Image"], "name": self.name}
        events.publish("container", action, self.id, attributes)

    def next_end(self) -> asyncio.Future[int]:
        """The exit code of the run that goes on, or of the next one."""
        if self.ended.done():
            self.ended = asyncio.get_running_loop().create_future()
        return self.ended

    def command(self) -> list[str]:
        """What runs, or would."""
        if self.process is not None:
            return list(self.process["args"])
        return [*(self.body.get("Entrypoint") or []), *(self.body.get("Cmd") or self.image.config.get("Cmd") or [])]

    def visible_state(self) -> str:
        """Docker's word: what is being started is still what it was."""
        return self.before if self.state == lifecycle.STARTING else self.state
