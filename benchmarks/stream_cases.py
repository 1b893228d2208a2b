"""What clients read of an engine in bulk: attached output, logs, the list of containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.api_cases import body
from benchmarks.measure import Work, interleave, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.engines import Engine

MEGABYTES = 128
LINES = 100_000
LISTED = 200


def attached(engine: Engine) -> float:
    """Return how many megabytes of output a second an attached client gets."""
    containers = engine.client.containers
    name = containers.create(body("busybox", "dd", "if=/dev/zero", "bs=64k", f"count={MEGABYTES * 16}"))
    with containers.attach(name) as stream:

        def work() -> None:
            containers.start(name)
            received = sum(len(data) for number, data in stream if number == 1)
            if received != MEGABYTES << 20:
                raise RuntimeError(f"{received} bytes of {MEGABYTES << 20} arrived")

        spent = timed(work)
    containers.remove(name, force=True)
    return MEGABYTES / spent * 1000


def logs(engine: Engine, name: str) -> float:
    """Read the whole log of a container that has ended."""

    def work() -> None:
        read = engine.client.containers.logs(name)[0].count(b"\n")
        if read != LINES:
            raise RuntimeError(f"{read} lines of {LINES} arrived")

    return timed(work)


def listed(engine: Engine) -> float:
    """List all containers."""

    def work() -> None:
        if len(engine.client.containers.list(all=True)) < LISTED:
            raise RuntimeError("not all containers are listed")

    return timed(work)


def measure(engines: list[Engine], rounds: int) -> list[Work]:
    """All three."""
    few = min(rounds, 7)
    works = [interleave("attached output", {e.name: _bind(attached, e) for e in engines}, few, unit="MB/s")]
    writers = {e.name: _writer(e) for e in engines}
    works.append(interleave(f"logs of {LINES} lines", {e.name: _bind(logs, e, writers[e.name]) for e in engines}, few))
    many = {e.name: [e.client.containers.create(body("true")) for _ in range(LISTED)] for e in engines}
    works.append(interleave(f"{LISTED} containers listed", {e.name: _bind(listed, e) for e in engines}, rounds))
    for engine in engines:
        for name in (writers[engine.name], *many[engine.name]):
            engine.client.containers.remove(name, force=True)
    return works


def _writer(engine: Engine) -> str:
    name = engine.client.containers.create(body("busybox", "seq", str(LINES)))
    engine.client.containers.start(name)
    engine.client.containers.wait(name)
    return name


def _bind(function: Callable[..., float], *arguments: object) -> Callable[[], float]:
    return lambda: function(*arguments)
