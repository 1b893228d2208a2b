"""The engine: what it owns, how objects are found, and how everything ends."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

from container_runtime.engine.events.events import Bus
from container_runtime.engine.keeping import Lifelines
from container_runtime.errors import EngineError, InvalidParameter, NotFound, Unavailable
from container_runtime.images.snapshots import SnapshotStore
from container_runtime.images.store import ImageStore
from container_runtime.network import tap
from container_runtime.network.manager import NetworkManager
from container_runtime.state.paths import data_home
from container_runtime.state.rundir import remove_tree
from container_runtime.volumes.store import VolumeStore

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.engine.life.execs import Exec
    from container_runtime.launcher.client import Exit, Launcher
    from container_runtime.state.rundir import RunDirectory


class Engine:
    """One engine. ``containers`` and ``execs`` act on it; ``api`` translates."""

    def __init__(
        self, run: RunDirectory, launcher: Launcher, networks: NetworkManager, outside: tap.Tap | None
    ) -> None:
        """All were made by ``start``."""
        self.run = run
        self.launcher = launcher
        self.networks = networks
        self._outside = outside
        self.images = ImageStore(data_home())
        self.snapshots = SnapshotStore()
        self.events = Bus()
        self.volumes = VolumeStore(run.layers / "volumes")
        self.containers: dict[str, Container] = {}
        self.names: dict[str, str] = {}
        self.execs: dict[str, Exec] = {}
        self.ended_execs: deque[str] = deque()
        self.ending = False
        self.end_requested = asyncio.Event()
        self.lifelines = Lifelines(self.end_requested.set)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.root_path = run.path / "rootfs"
        self.root_path.mkdir(mode=0o755, exist_ok=True)
        launcher.on_exit = self._exited
        launcher.on_death = self._launcher_died
        launcher.on_end = self._thaw

    @classmethod
    async def start(cls, run: RunDirectory, launcher: Launcher) -> Engine:
        """Make the networks, and be ready."""
        networks = await NetworkManager.start(run)
        try:
            outside = await tap.attach(networks.backbone, launcher.attach)
        except BaseException:
            await networks.close()
            raise
        return cls(run, launcher, networks, outside)

    def find(self, reference: str) -> Container:
        """By id, name (with or without a slash), or an id's beginning that only one has.

        Raises:
            NotFound: none.
            InvalidParameter: several begin like this.
        """
        found = self.containers.get(reference) or self.containers.get(self.names.get(reference.removeprefix("/"), ""))
        if found is not None:
            return found
        matching = [one for key, one in self.containers.items() if reference and key.startswith(reference)]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise InvalidParameter(f"multiple IDs found with provided prefix: {reference}")
        raise NotFound(f"No such container: {reference}")

    def admit(self) -> None:
        """Refuse new work while the engine ends.

        Raises:
            Unavailable: it does.
        """
        if self.ending:
            raise Unavailable("the engine is ending")

    def behind(self, work: Any) -> asyncio.Task[Any]:
        """Run what no client waits for; ``close`` does."""
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, EngineError):  # those are for the client who awaits it
            traceback.print_exception(error, file=sys.stderr)  # nobody else will hear of it
            sys.stderr.flush()

    def delete_later(self, container: Container) -> None:
        """Delete a container's files in a thread, when nobody has them open any more (``files.session``)."""

        async def delete() -> None:
            async with container.lock:
                if container.readers:
                    await asyncio.wait(container.readers)
                await asyncio.to_thread(_delete, self.run.layers / container.id, container.directory)

        self.behind(delete())

    def _exited(self, identity: str, end: Exit) -> None:
        from container_runtime.engine.life import execs, running

        if identity in self.containers:
            running.ended(self, self.containers[identity], end)
        elif identity in self.execs:
            execs.ended(self, self.execs[identity], end)

    def _execs_ended(self) -> None:
        """The launcher tells of no end after its own: whoever waits for an exec is told here."""
        from container_runtime.engine.life import execs
        from container_runtime.launcher.client import Exit

        for one in [*self.execs.values()]:
            if one.running:
                execs.ended(self, one, Exit(137, 9, oom_killed=False))

    def _thaw(self) -> None:
        """A launcher that dies waits for its processes, and those that are frozen do not end."""
        from container_runtime.engine.life import pausing

        for container in self.containers.values():
            pausing.abandon(container)

    def _launcher_died(self) -> None:
        """Its containers died with it. The engine goes on to answer, and starts none any more."""
        from container_runtime.engine.life import running
        from container_runtime.launcher.client import Exit

        for container in [*self.containers.values()]:
            if container.running:
                container.error = "the launcher died, and with it every container"
                running.ended(self, container, Exit(137, 9, oom_killed=False))
        self._execs_ended()

    async def close(self) -> None:
        """End everything: processes, names, networks, files. Returns when nothing is left."""
        from container_runtime.engine.life import health

        self.ending = True
        for container in self.containers.values():
            container.restarts.give_up()
            health.stop(container)
        if self._outside is not None:
            self._outside.close()
        # Side by side: the kernel takes its time for both.
        await asyncio.gather(self.launcher.close(), asyncio.to_thread(self.networks.backbone.untie))
        self._execs_ended()
        for container in [*self.containers.values()]:
            for pipe in container.outputs:
                pipe.close()
            container.log.finish()
            self.images.release(f"{self.run.path.name}-{container.id}")
        self.events.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.networks.close()
        if self.images.has_removed:
            await asyncio.to_thread(self.images.reap)
        self.images.close()
        self.snapshots.close()
        await asyncio.to_thread(self.run.remove)


def _delete(*paths: Any) -> None:
    for path in paths:
        remove_tree(path)
