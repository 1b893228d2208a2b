"""Ready when a function of the user's own says so."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_containers.wait.base import Probe, Wait

if TYPE_CHECKING:
    from pytest_containers.wait.base import Target

Function = Callable[[Any], object]
"""A function of the container; what it returns is true or false."""


class _CallableProbe(Probe):
    """The function runs in the thread that waits, where pytest's time-outs, Ctrl-C and debuggers find it."""

    def __init__(self, function: Function, target: Target) -> None:
        self._function = function
        self._target = target
        self._seen = "not called yet"

    def check(self) -> bool:
        self.tries += 1
        try:
            value = self._function(self._target)
        except Exception as error:  # noqa: BLE001  what a client raises while its server starts is anybody's guess
            self._seen = f"it raised {type(error).__name__}: {error}"[:500]
            return False
        self._seen = f"it returned {value!r}"[:200]
        return bool(value)

    def again(self) -> bool:
        return True

    @property
    def seen(self) -> str:
        return self._seen


@dataclass(frozen=True)
class Called(Wait):
    """See ``callable``."""

    function: Function

    def begin(self, target: Target) -> Probe:
        """Start to call it."""
        return _CallableProbe(self.function, target)

    def outside(self) -> Wait | None:
        """All of it: it is seen from here."""
        return self

    def __str__(self) -> str:
        return f"{getattr(self.function, '__qualname__', None) or repr(self.function)}()"


def callable(function: Function) -> Wait:  # noqa: A001  used as wait.callable()
    """Ready when ``function(container)`` returns something true; an exception means "not yet".

    It is called again and again in the test's own thread, so it should not wait long by itself.
    """
    __tracebackhide__ = True
    if not builtins.callable(function):
        raise TypeError(f"wait.callable: {function!r} is no function of the container")
    return Called(function)
