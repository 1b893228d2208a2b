"""Images as the containers of this engine see them: who has which, removal, lists by time, names that still hold."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from container_runtime.engine.events import announce, moments
from container_runtime.engine.life import lifecycle
from container_runtime.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.engine.filters import Filters
    from container_runtime.images.model import Image


async def remove(engine: Engine, name: str, *, force: bool) -> list[dict[str, str]]:
    """``DELETE /images/{name}``: Docker's list of what lost a name or is gone. Errors as ``ImageStore.remove``."""
    users: dict[str, list[tuple[str, bool]]] = {}
    for one in engine.containers.values():
        running = one.active or one.state in lifecycle.ALIVE
        users.setdefault(one.image.id, []).append((one.id, running))
    image = engine.images.get(name)
    answers = await asyncio.to_thread(engine.images.remove, name, force, users)
    announce.removed(engine, image, answers)
    return answers


def release(engine: Engine, container: Container) -> None:
    """The container has its image no more; one that was removed by force goes with its last container."""
    engine.images.release(f"{engine.run.path.name}-{container.id}")
    if engine.images.has_removed:
        engine.behind(asyncio.to_thread(engine.images.reap))


def in_time(engine: Engine, wanted: Filters) -> Callable[[Image], bool]:
    """The filters ``before`` and ``since`` (images) and ``until`` (moments); of several values the narrowest counts.

    Raises:
        NotFound: no such image.
        InvalidParameter: no moment.
    """
    now = time.time_ns()
    earlier = [_created(engine.images.get(name)) for name in wanted.get("before", ())]
    earlier += [moment for text in wanted.get("until", ()) if (moment := moments.parse(text, "until", now)) is not None]
    later = [_created(engine.images.get(name)) for name in wanted.get("since", ())]

    def matches(image: Image) -> bool:
        created = _created(image)
        return all(created < moment for moment in earlier) and all(created > moment for moment in later)

    return matches


def _created(image: Image) -> int:
    """Nanoseconds since 1970; 0 where the image does not say it."""
    try:
        return moments.parse(image.created, "Created", 0) or 0
    except EngineError:
        return 0


class Names:
    """What the list of containers calls their images: as they were asked for, or by id where that means another now."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], str] = {}

    def of(self, container: Container) -> str:
        """The name, or the id."""
        key = container.body["Image"], container.image.id
        if key not in self._known:
            try:
                same = self._engine.images.get(key[0]).id == key[1]
            except EngineError:
                same = False
            self._known[key] = key[0] if same else key[1]
        return self._known[key]
