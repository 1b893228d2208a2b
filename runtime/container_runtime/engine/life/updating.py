"""Changing the limits and the restart policy of a container that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from container_runtime.engine.life import restarts
from container_runtime.engine.request import admission, resources
from container_runtime.errors import Conflict, EngineError, NotFound

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine


async def update(engine: Engine, container: Container, changes: dict[str, Any]) -> None:
    """Apply ``changes`` (fields of HostConfig; empty ones change nothing), at once where it runs.

    Raises:
        InvalidParameter: a value that makes no sense, alone or with those that stay.
        Conflict: a memory limit above the limit on memory and swap.
        EngineError: the kernel refuses it; the container's own values then stay.
    """
    container.check("update")
    changes = {name: value for name, value in changes.items() if value}
    if not (changes.get("RestartPolicy") or {}).get("Name"):
        changes.pop("RestartPolicy", None)
    wanted = {**container.host, **changes}
    restarts.check_policy(wanted)
    admission.check(changes)
    section = resources.resources(wanted)
    _check_swap(container.host, changes)
    del section["devices"]  # they are not changed
    if container.running:
        try:
            await engine.launcher.update(container.id, section)
        except NotFound:
            pass  # it has just ended: they hold for its next start
        except EngineError as error:
            raise EngineError(f"Cannot update container {container.id}: {error}") from None
    container.host = container.body["HostConfig"] = wanted  # the next start reads the body
    container.publish(engine.events, "update")


def _check_swap(host: dict[str, Any], changes: dict[str, Any]) -> None:
    """As Docker: a new memory limit above the memory and swap of before needs a new one of those.

    Without a limit of before there is no sum of before either, which counts as 0.
    """
    memory, swap = changes.get("Memory") or 0, host.get("MemorySwap") or 2 * (host.get("Memory") or 0)
    if not changes.get("MemorySwap") and 0 <= swap < memory:
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )
