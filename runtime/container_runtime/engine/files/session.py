"""Access to a container's files for the time of a block: nothing else starts it meanwhile, and nothing is left."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from container_runtime.engine.files import view
from container_runtime.engine.files.transfer import in_thread, uncancelled
from container_runtime.engine.life import lifecycle
from container_runtime.engine.request import bundle
from container_runtime.engine.storage import mounting
from container_runtime.errors import Conflict, EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.engine.files.view import View


@contextmanager
def kept(container: Container) -> Generator[None]:
    """What it has on the disk stays there until the block has ended, also if it is removed meanwhile."""
    reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    container.readers.add(reader)
    try:
        yield
    finally:
        container.readers.remove(reader)
        reader.set_result(None)


@asynccontextmanager
async def opened(engine: Engine, container: Container, *, bare: bool = False) -> AsyncGenerator[View]:
    """The files of ``container``; ``bare``: its root filesystem without what is mounted in it.

    One that does not run is not started before the block has ended, and none is removed from the disk.

    Raises:
        Conflict: it is being removed.
        InvalidParameter, NotFound: the source of a bind, or a path in a volume, is not there.
        EngineError: its files cannot be reached; the message says why.
    """
    engine.admit()
    async with AsyncExitStack() as stack:
        stack.enter_context(kept(container))
        found = await _running(engine, container, bare=bare)
        if found is None:
            await stack.enter_async_context(container.lock)
            found = await _running(engine, container, bare=bare)  # started while we waited
        if found is None:
            if container.state in {lifecycle.REMOVING, lifecycle.DEAD}:
                raise Conflict(f"container {container.id} is being removed: its files cannot be reached any more")
            if not bare:
                stack.callback(mounting.release, engine, container)
                await mounting.prepare(engine, container)
            found = await _stopped(engine, container, bare=bare)
        try:
            yield found
        finally:
            await uncancelled(in_thread(found.close))  # unmounting writes what was kept in memory


async def _running(engine: Engine, container: Container, *, bare: bool) -> View | None:
    """The files of one that runs; None where it does not, or has just ended."""
    pid = container.pid
    if not pid:
        return None
    parts = [destination for destination, _ in engine.images.parts(container.image)]
    kept = frozenset(place.destination for place in view.places(container))
    try:
        return await _opened(in_thread(lambda: view.open_running(pid, parts, kept, bare=bare)))
    except (FileNotFoundError, ProcessLookupError):
        await asyncio.shield(container.ended)  # the news of its end is on the way
        return None
    except OSError as error:
        raise _refused(container, error) from None


async def _stopped(engine: Engine, container: Container, *, bare: bool) -> View:
    await bundle.prepare_layers(engine, container)
    plan = view.plan(engine, container, bare=bare)
    # Volumes that are mounted when they are used are so in the launcher's namespace (``volumes.mounter``).
    joined = engine.launcher.pidfd if not bare and mounting.uses_mounted(engine, container) else None
    try:
        return await _opened(in_thread(lambda: view.open_stopped(plan, joined)))
    except OSError as error:
        raise _refused(container, error) from None


def _refused(container: Container, error: OSError) -> EngineError:
    reason = f"{error.strerror}: {error.filename}" if error.filename else f"{error.strerror}"
    return EngineError(f"cannot open the files of container {container.name}: {reason}")


async def _opened(opening: asyncio.Future[View]) -> View:
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: asyncio.Future[View]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
