"""How long an exec that has ended is known."""

from __future__ import annotations

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from container_runtime.engine.life import execs

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine


def test_the_oldest_are_forgotten_where_there_are_many() -> None:
    async def main() -> list[str]:
        found = SimpleNamespace(execs={}, ended_execs=deque[str]())
        engine, container = cast("Engine", found), cast("Container", SimpleNamespace(id="one"))
        for number in range(execs.MOST_REMEMBERED + 2):
            one = execs.Exec(str(number), container, {})
            engine.execs[one.id] = one
            execs.forget_later(engine, one)
        return [*engine.execs]

    known = asyncio.run(main())
    assert known == [str(number) for number in range(2, execs.MOST_REMEMBERED + 2)]
