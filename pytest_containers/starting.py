"""Starts that other threads make, and that can be called off."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_containers.errors import ContainerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

END_LIMIT = 30.0
"""Seconds that a start may take which nobody waits for any more."""


class _CalledOff(Exception):
    """Nobody needs it any more."""


class Start:
    """One container that is being started: ``make`` is given what it has to call with the container once it exists."""

    def __init__(
        self, engine: Engine, name: str, make: Callable[[Callable[[Container], None]], Container | None]
    ) -> None:
        self._engine = engine
        self._make = make
        self._made: Container | None = None
        self._container: Container | None = None
        self._error: BaseException | None = None
        self._dropped = False
        # Not awaited at the interpreter's end: it may be in a pull that nobody interrupts.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        __tracebackhide__ = True
        try:
            self._container = self._make(self._created)
        except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
            self._error = error

    def _created(self, container: Container) -> None:
        self._made = container
        if self._dropped:
            raise _CalledOff

    def result(self) -> Container | None:
        """The container; None where there was nothing to start it from. Raises what its start has raised."""
        __tracebackhide__ = True
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._container

    def call_off(self) -> None:
        """Nobody needs it: remove it, which ends what is awaited of it; does not wait."""
        self._dropped = True
        if self._made is not None:
            with suppress(ContainerError):
                self._engine.remove(self._made)

    def drop(self, limit: float = END_LIMIT) -> None:
        """Nobody needs it: return when it is gone, or after ``limit`` seconds, less where the run is interrupted."""
        self.call_off()
        self._thread.join(self._engine.patience(limit))
        if self._container is not None:
            with suppress(ContainerError):
                self._engine.remove(self._container)


def together(engine: Engine, specs: list[ContainerSpec], node: object) -> list[Container]:
    """Start containers at the same time and return when all are ready.

    Where one fails, the others are removed, and the first failure is raised.
    """
    __tracebackhide__ = True

    def making(spec: ContainerSpec) -> Callable[[Callable[[Container], None]], Container]:
        def make(created: Callable[[Container], None]) -> Container:
            __tracebackhide__ = True
            return engine.run_container(spec, node=node, created=created)

        return make

    starts = [Start(engine, f"start {spec.image}", making(spec)) for spec in specs]
    try:
        failed = next((error for one in starts if (error := _error(one)) is not None), None)
        if failed is not None:
            raise failed
    except BaseException:
        for one in starts:
            one.call_off()
        for one in starts:
            one.drop()
        raise
    return [container for one in starts if (container := one.result()) is not None]


def _error(start: Start) -> BaseException | None:
    __tracebackhide__ = True
    try:
        start.result()
    except Exception as error:  # noqa: BLE001  of the one that is raised after all have ended
        return error
    return None
