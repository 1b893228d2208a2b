"""Containers come into being, and go."""

from __future__ import annotations

import asyncio
import os
import signal as signals
from typing import TYPE_CHECKING, Any

from container_runtime.engine import images, publishing, sandboxes
from container_runtime.engine.container import Container
from container_runtime.engine.life import execs, health, lifecycle, restarts, stopping
from container_runtime.engine.request import admission, bundle, modes, names, unsupported
from container_runtime.engine.storage import mounting, snapshots
from container_runtime.errors import Conflict, NotFound

if TYPE_CHECKING:
    from container_runtime.engine.core import Engine


async def create(engine: Engine, body: dict[str, Any], name: str | None, snapshot: str | None = None) -> Container:
    """Make a container; nothing runs yet. ``snapshot``: the key of the one that it starts from (``snapshots``).

    Raises:
        NotFound: no such image, or snapshot.
        Conflict: the name is taken.
        InvalidParameter: the request makes no sense; it is tried as far as possible before anything starts.
        EngineError: a volume could not be filled.
    """
    engine.admit()
    unsupported.refuse(body)
    restarts.check_policy(body["HostConfig"])
    admission.check(body["HostConfig"])
    if body.get("StopSignal"):
        stopping.signal_number(body["StopSignal"])
    modes.check(body["HostConfig"], engine.find)
    health.check_request(body.get("Healthcheck"))
    image = engine.images.get(body.get("Image") or "")
    chosen = names.check_name(name) if name else names.random_name(engine.names)
    if chosen in engine.names:
        holder = engine.names[chosen]
        raise Conflict(
            f'Conflict. The container name "/{chosen}" is already in use by container "{holder}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )
    identity = os.urandom(32).hex()
    directory = engine.run.containers / identity
    container = Container(identity, chosen, body, image, directory)
    container.points = mounting.points_of(engine, container)
    if snapshot:
        snapshots.start_from(container, snapshots.find(engine, snapshot, image))
    sandboxes.check(engine, container)
    publishing.check(container)
    bundle.generate(engine, container)
    directory.mkdir(mode=0o700)
    engine.images.lease(image.id, f"{engine.run.path.name}-{identity}")
    engine.names[chosen] = identity
    try:
        await mounting.attach(engine, container)
    except BaseException:
        del engine.names[chosen]
        engine.images.release(f"{engine.run.path.name}-{identity}")
        directory.rmdir()
        raise
    engine.containers[identity] = container
    container.publish(engine.events, "create")
    return container


async def remove(engine: Engine, container: Container, *, force: bool, volumes: bool = False) -> None:
    """Remove a container; returns when its processes are dead and its name and addresses are free.

    ``volumes``: its anonymous volumes go too.
    """
    await container.settle()
    container.check("force-remove" if force else "remove")
    was_running = container.state in lifecycle.ALIVE
    container.restarts.give_up()
    container.state = lifecycle.REMOVING
    if was_running:
        try:
            await engine.launcher.kill(container.id, int(signals.SIGKILL))
            container.publish(engine.events, "kill", signal=str(int(signals.SIGKILL)))
        except NotFound:
            pass  # it has just ended
        await asyncio.shield(container.ended)
    sandboxes.release(engine, container)
    mounting.discard(engine, container, volumes=volumes)
    images.release(engine, container)
    engine.names.pop(container.name, None)
    engine.containers.pop(container.id, None)
    for one in [one for one in engine.execs.values() if one.container is container]:
        execs.forget(engine, one)
    container.log.close()
    if not container.ended.done():
        container.ended.set_result(container.exit_code)
    if not container.removed.done():
        container.removed.set_result(container.exit_code)
    container.publish(engine.events, "destroy")
    engine.delete_later(container)
