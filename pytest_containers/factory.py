"""The ``containers`` fixtures, and the same without pytest: containers that are started by a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar, Unpack, cast, overload

from pytest_containers.definition import specify
from pytest_containers.session import create_network, with_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from pytest_containers.definition import AllOptions, Command, ContainerSpec, Options
    from pytest_containers.engine import Engine
    from pytest_containers.files import Content
    from pytest_containers.handle import Container
    from pytest_containers.limits import Limits
    from pytest_containers.networks import Network
    from pytest_containers.volumes import Volume


C = TypeVar("C", bound="Container")


class Containers:
    """Starts containers, networks and volumes that are removed together, the last one first.

    In a test it is the value of the fixture ``containers`` (and of ``class_containers``, ``module_containers``,
    ``package_containers``, ``session_containers`` for wider scopes); elsewhere of
    ``with Containers.open() as containers:``.
    """

    def __init__(self, engine: Callable[[], Engine], node: object, name: str, limits: Limits | None = None) -> None:
        self._engine = engine
        self._node = node
        self._name = name
        self._limits = limits
        self._owned: Engine | None = None
        self._made: list[Container | Network | Volume] = []

    @classmethod
    def of(cls, node: pytest.Item | pytest.Collector) -> Self:
        """For a test, class, module, package or session; its markers hold."""
        from pytest_containers.markers import limits_of
        from pytest_containers.session import engine_of

        return cls(lambda: engine_of(node.config), node, node.name, limits_of(node))

    @classmethod
    def open(cls, engine: str = "auto", *, timeout: float = 60.0, log_lines: int = 50) -> Self:
        """Without pytest: with an engine of their own, which ends with them and with this process.

        ``engine`` as ``--containers-engine``; ``timeout``: seconds that a container may take to become ready.

        Raises:
            ContainerError: there is no engine.
        """
        import os

        from pytest_containers.embedded import new_run_directory
        from pytest_containers.locate import locate

        own = locate(engine, new_run_directory(), os.getpid(), shared=False, timeout=timeout, log_lines=log_lines)
        made = cls(lambda: own, None, "containers")
        made._owned = own
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @overload
    def run(self, image: str, command: Command | None = None, **options: Unpack[Options]) -> Container: ...

    @overload
    def run(self, image: str, command: Command | None = None, *, cls: type[C], **options: Unpack[Options]) -> C: ...

    def run(self, image: str, command: Command | None = None, **options: object) -> Container:
        """Start a container and return it when it is ready; the options are those of ContainerSpec.

        Raises:
            ContainerError: it cannot be had, ended before it was ready, or was not ready in time.
        """
        __tracebackhide__ = True
        return self.start(specify(image, command, cast("AllOptions", options)))

    def start(self, spec: ContainerSpec) -> Container:
        """Start a container by its definition; see ``run``."""
        __tracebackhide__ = True
        container = self._engine().run_container(self._limited(spec), node=self._node)
        self._made.append(container)
        return container

    def start_all(self, *specs: ContainerSpec) -> list[Container]:
        """Start containers that do not depend on each other at the same time; see ``run``.

        Where one fails, the others are removed, and the first failure is raised.
        """
        from pytest_containers.starting import together

        __tracebackhide__ = True
        started = together(self._engine(), [self._limited(spec) for spec in specs], self._node)
        self._made += started
        return started

    def create(self, image: str, command: Command | None = None, **options: Unpack[Options]) -> Container:
        """Create a container without starting it: ``start()`` does."""
        __tracebackhide__ = True
        spec = self._limited(specify(image, command, cast("AllOptions", options)))
        container = self._engine().create(spec, node=self._node, name="")
        self._made.append(container)
        return container

    def network(self, *, internal: bool = False) -> Network:
        """A private network; ``internal``: without a way out."""
        __tracebackhide__ = True
        made = create_network(self._engine(), self._name, internal=internal)
        self._made.append(made)
        return made

    def volume(self, *, files: Mapping[str, Content] | None = None) -> Volume:
        """A volume; ``files``: what is in it before its first container starts."""
        from pytest_containers.files import check_files
        from pytest_containers.volumes import create_volume

        __tracebackhide__ = True
        check_files(files or {})
        made = create_volume(self._engine(), self._name, files or {}, {})
        self._made.append(made)
        return made

    def _limited(self, spec: ContainerSpec) -> ContainerSpec:
        """What the call says itself comes before what the markers say."""
        return with_marker(spec, self._limits, spec.limits)

    def close(self) -> None:
        """Remove everything, even where removing one of them fails."""
        __tracebackhide__ = True
        errors: list[Exception] = []
        if self._made:
            with self._engine().removals.together() as errors:
                for made in reversed(self._made):
                    try:
                        self._engine().remove(made)
                    except Exception as error:  # noqa: BLE001  the others have to go all the same
                        errors.append(error)
        self._made.clear()
        if self._owned is not None:
            self._owned.close()
        if errors:
            raise errors[0]
