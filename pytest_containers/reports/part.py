"""The options of reports are parts, each with what it does at the moments of a container and of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container


class Part:
    """One option's work; by default nothing is done."""

    def started(self, engine: Engine, container: Container) -> None:
        """It has been started, and is not necessarily ready."""

    def leaving(self, engine: Engine, container: Container) -> None:
        """It is about to be removed, or left to itself."""

    def left(self, engine: Engine, container: Container) -> None:
        """It has gone: no output follows."""

    def keeps(self, container: Container, *, failed: bool) -> bool:
        """Whether it is not to be removed; ``failed``: it could not be started."""
        del container, failed
        return False

    def failed(self, item: pytest.Item, containers: list[Container]) -> None:
        """A test has failed that uses these containers."""


class Observer(Part):
    """All parts of a run."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts

    def started(self, engine: Engine, container: Container) -> None:
        """See ``Part``."""
        for part in self.parts:
            part.started(engine, container)

    def leaving(self, engine: Engine, container: Container) -> None:
        """See ``Part``."""
        for part in self.parts:
            part.leaving(engine, container)

    def left(self, engine: Engine, container: Container) -> None:
        """See ``Part``."""
        for part in self.parts:
            part.left(engine, container)

    def keeps(self, container: Container, *, failed: bool) -> bool:
        """See ``Part``."""
        return any(part.keeps(container, failed=failed) for part in self.parts)

    def failed(self, item: pytest.Item, containers: list[Container]) -> None:
        """See ``Part``."""
        for part in self.parts:
            part.failed(item, containers)
