"""Removal behind the next test: what a test has used goes while the next one is set up and runs.

Only what nobody can miss: a container of one test that stands apart from all others (``lookahead``), has no end of its
own to be waited for, and after whose test nothing of a wider scope ends. The next test's teardown waits for it, so that
no more than one test's containers are ever on their way, and ``--durations`` shows the wait where it is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_containers.errors import ContainerError

if TYPE_CHECKING:
    import pytest

    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

LIMIT = 60.0
"""Seconds after which a removal is given up; milliseconds are usual."""


class _Removal:
    """One container that is being removed."""

    def __init__(self, engine: Engine, container: Container) -> None:
        self._engine = engine
        self._container = container
        self._error: BaseException | None = None
        # Not awaited at the interpreter's end, where the engine ends everything.
        self._thread = threading.Thread(target=self._run, name=f"remove {container.label}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._engine.remove(self._container)
        except BaseException as error:  # noqa: BLE001  it is told by the thread that waits
            self._error = error

    def wait(self) -> str:
        """Return when it is over; why it failed, with the name of the test that it belonged to."""
        self._thread.join(self._engine.patience(LIMIT))
        failed: object = self._error
        if self._thread.is_alive() and not self._engine.is_hurried:
            failed = f"not removed after {LIMIT:g} s"
        if failed is None:  # or the run is interrupted, and its end takes all with it
            return ""
        if not isinstance(failed, str | ContainerError):
            failed = f"{type(failed).__name__}: {failed}"
        return f"container {self._container.label} of {self._container.owner}, removed behind the next test: {failed}"


class Leaving:
    """What is being removed, of one process."""

    def __init__(self) -> None:
        self._present: pytest.Item | None = None
        self._removals: list[_Removal] = []
        self._failures: list[str] = []

    def begin_test(self, item: pytest.Item, following: pytest.Item | None) -> None:
        """``item`` is the present test. What it leaves may go later, where another follows in the same collector."""
        self._present = item if following is not None and following.parent is item.parent else None

    def may_take(self, engine: Engine, node: object, spec: ContainerSpec) -> bool:
        """Whether a container of ``node`` that stands apart can be removed behind the next test."""
        own_end = spec.before_stop is not None or spec.stop_timeout is not None
        looked_at = engine.observer is not None or engine.failed is not None
        waited_for = engine.budget is not None or engine.is_hurried
        return node is self._present and not (own_end or looked_at or waited_for)

    def take(self, engine: Engine, container: Container) -> None:
        """Begin to remove it."""
        self._removals.append(_Removal(engine, container))

    def wait(self) -> None:
        """Return when all that was begun is over; what fails is told by ``failures``."""
        removals, self._removals = self._removals, []
        self._failures += [words for one in removals if (words := one.wait())]

    def failures(self) -> list[str]:
        """What has failed since this was last asked."""
        failures, self._failures = self._failures, []
        return failures
