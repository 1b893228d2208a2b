"""A container as it is known: who it is, and what the engine says of it."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

from pytest_containers.errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_containers.client.types import ContainerDetails
    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine
    from pytest_containers.networks import Network


class Handle:
    """What the other parts of a container's handle stand on."""

    def __init__(
        self, engine: Engine, container_id: str, spec: ContainerSpec, network: Network | None, label: str
    ) -> None:
        self._engine = engine
        self._client = engine.client
        self._spec = spec
        self._label = label
        self._removed = False
        self.silent = False
        """Whether its output is no news to people: somebody else shows it (``in_container``)."""
        self._started = False
        self._since: float | None = None
        self.moments: dict[str, float] = {"created": time.time()}
        """When it was ``created``, ``started`` and ``ready`` last, in seconds since 1970."""
        self.owner = ""
        """The test, class, module … that it lives for, as pytest names it."""
        self.id = container_id
        self._at_removal: list[Callable[[], None]] = []
        self.reused = False
        """Whether it is kept between runs."""
        self.network = network
        """The private network that it is in, where it was given one."""

    def __repr__(self) -> str:
        return f"<Container {self._what}>"

    @property
    def _what(self) -> str:
        return f"{self._label} ({self._spec.image})" if self._label else f"{self._spec.image} {self.id[:12]}"

    @property
    def label(self) -> str:
        """Its fixture's name, or the name that it was given; empty where there is neither."""
        return self._label

    @property
    def engine(self) -> Engine:
        """The engine that it is in."""
        return self._engine

    @property
    def definition(self) -> ContainerSpec:
        """What it was made of."""
        return self._spec

    @property
    def image(self) -> str:
        """The image that it was made of, as it was asked for."""
        return self._spec.image

    @functools.cached_property
    def name(self) -> str:
        """Its name in the engine."""
        return self.inspect().get("Name", "").lstrip("/")

    def on_removal(self, call: Callable[[], None]) -> None:
        """``call`` is called when it has been removed."""
        self._at_removal.append(call)

    @property
    def removed(self) -> bool:
        """Whether ``remove`` was called."""
        return self._removed

    def inspect(self) -> ContainerDetails:
        """All that the engine knows about it, as Docker's API has it."""
        __tracebackhide__ = True
        with translated(f"cannot inspect container {self._what}"):
            return self._client.containers.inspect(self.id)

    @property
    def status(self) -> str:
        """What it does: ``created``, ``running``, ``paused`` or ``exited``."""
        __tracebackhide__ = True
        return self.inspect().get("State", {}).get("Status", "unknown")

    @property
    def exit_code(self) -> int | None:
        """The exit code, 128 + n for signal n; None while it has not ended."""
        __tracebackhide__ = True
        state = self.inspect().get("State", {})
        return state.get("ExitCode") if state.get("Status") in {"exited", "dead"} else None
