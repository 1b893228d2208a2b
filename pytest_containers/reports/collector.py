"""Records of all containers of a process, taken when they go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pytest_containers.reports.part import Part
from pytest_containers.reports.record import Record, record_of

if TYPE_CHECKING:
    import pytest

    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container


class Collector(Part):
    """For ``--containers-report``; ``worker``: xdist's name of this process."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._of_failed: set[str] = set()
        self._records: list[Record] = []

    def failed(self, item: pytest.Item, containers: list[Container]) -> None:
        """Their output is shown."""
        del item
        self._of_failed.update(container.id for container in containers)

    def leaving(self, engine: Engine, container: Container) -> None:
        """Take down what it was; ContainerError where the engine does not tell."""
        moments = container.moments  # none of its beginning where another process has started it
        unready = container.definition.wait is not None and "created" in moments and "ready" not in moments
        failed = unready or container.id in self._of_failed
        record = record_of(engine, container, container.owner, lines=engine.log_lines if failed else 0, errors=failed)
        record.worker, record.failed, record.kept = self._worker, failed, container in engine.left
        if record.ended is None:
            record.ended = max(0.0, time.time() - record.created)
        self._records.append(record)

    def take(self) -> list[dict[str, Any]]:
        """The records since the last time, as plain data."""
        taken, self._records = self._records, []
        return [record.plain() for record in taken]
