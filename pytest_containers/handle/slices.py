"""A part of a shared container for each worker of xdist: a database, a virtual host, a prefix of keys."""

from __future__ import annotations

import os
import re
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from pytest_containers.handle.base import Handle

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_RUN = os.urandom(4).hex()  # a container that is kept has the slices of earlier runs


def worker_name() -> str:
    """The name of this worker of xdist (``gw0``), ``main`` without xdist: a letter, then letters and digits."""
    name = re.sub(r"[^a-z0-9]", "", os.environ.get("PYTEST_XDIST_WORKER", "").lower())
    return name or "main"


class Slices(Handle):
    """What of it is this worker's alone."""

    @overload
    def slice(self, make: None = None) -> str: ...

    @overload
    def slice(self, make: Callable[[Self, str], None]) -> str: ...

    @overload
    def slice(self, make: Callable[[Self, str], T]) -> T: ...

    def slice(self, make: Callable[[Self, str], Any] | None = None) -> Any:
        """A part of it that is this worker's alone: ``make(container, name)``, called once in each worker.

        ``name`` is this worker's and no other's, and can be the name of a database, a user, a virtual host, or a
        prefix. The value is what ``make`` returns, or the name where that is None. The same ``make`` is not called
        again, nor is a lambda that encloses nothing.
        """
        made: dict[object, Any] = self.__dict__.setdefault("_slices", {})
        # A lambda is a new object each time that its line is executed; its code is the same.
        key = make.__code__ if isinstance(make, FunctionType) and not make.__closure__ else make
        if key not in made:
            name = f"{worker_name()}_{_RUN}" if self.reused else worker_name()
            value = make(self, name) if make else None
            made[key] = name if value is None else value
        return made[key]
