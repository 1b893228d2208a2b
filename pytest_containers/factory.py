"""The ``containers`` fixture: containers that a test starts by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from pytest_containers.definition import specify
from pytest_containers.markers import limits_of
from pytest_containers.session import create_network, engine_of, with_marker

if TYPE_CHECKING:
    import pytest

    from pytest_containers.definition import Command, ContainerSpec, Options
    from pytest_containers.handle import Container
    from pytest_containers.networks import Network


class Containers:
    """Starts containers and networks that are removed after the test, the last one first."""

    def __init__(self, node: pytest.Item) -> None:
        self._node = node
        self._made: list[Container | Network] = []

    def run(self, image: str, command: Command | None = None, **options: Unpack[Options]) -> Container:
        """Start a container and return it when it is ready; the options are those of ContainerSpec.

        Raises:
            ContainerError: it cannot be had, ended before it was ready, or was not ready in time.
        """
        __tracebackhide__ = True
        return self.start(specify(image, command, options))

    def start(self, spec: ContainerSpec) -> Container:
        """Start a container by its definition; see ``run``."""
        __tracebackhide__ = True
        container = engine_of(self._node.config).run_container(self._limited(spec), node=self._node)
        self._made.append(container)
        return container

    def create(self, image: str, command: Command | None = None, **options: Unpack[Options]) -> Container:
        """Create a container without starting it: ``start()`` does."""
        __tracebackhide__ = True
        spec = self._limited(specify(image, command, options))
        container = engine_of(self._node.config).create(spec, node=self._node, name="")
        self._made.append(container)
        return container

    def network(self, *, internal: bool = False) -> Network:
        """A private network for this test; ``internal``: without a way out."""
        __tracebackhide__ = True
        made = create_network(engine_of(self._node.config), self._node.name, internal=internal)
        self._made.append(made)
        return made

    def _limited(self, spec: ContainerSpec) -> ContainerSpec:
        """What the call says itself comes before what the markers say."""
        return with_marker(spec, limits_of(self._node), spec.limits)

    def close(self) -> None:
        """Remove everything, even where removing one of them fails."""
        __tracebackhide__ = True
        if not self._made:
            return
        engine = engine_of(self._node.config)
        errors: list[Exception] = []
        for made in reversed(self._made):
            try:
                engine.remove(made)
            except Exception as error:  # noqa: BLE001  the others have to go all the same
                errors.append(error)
        self._made.clear()
        if errors:
            raise errors[0]
