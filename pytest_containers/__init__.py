"""Real, isolated Linux containers as pytest fixtures.

The names below are all that a test author needs; each is imported when it is first used, so that a test run without
containers pays nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; importing typing would cost more than all else here
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_containers import wait as wait
    from pytest_containers.definition import ContainerSpec as ContainerSpec
    from pytest_containers.errors import ContainerError as ContainerError
    from pytest_containers.errors import ContainerExited as ContainerExited
    from pytest_containers.errors import WaitTimeout as WaitTimeout
    from pytest_containers.factory import Containers as Containers
    from pytest_containers.files import File as File
    from pytest_containers.fixtures import ImageSpec as ImageSpec
    from pytest_containers.fixtures import NetworkSpec as NetworkSpec
    from pytest_containers.fixtures import VolumeSpec as VolumeSpec
    from pytest_containers.fixtures import container as container
    from pytest_containers.fixtures import image as image
    from pytest_containers.fixtures import network as network
    from pytest_containers.fixtures import volume as volume
    from pytest_containers.handle import Container as Container
    from pytest_containers.handle import ExecResult as ExecResult
    from pytest_containers.images import Image as Image
    from pytest_containers.limits import Limits as Limits
    from pytest_containers.networks import Network as Network
    from pytest_containers.snapshots.seeds import SQL as SQL
    from pytest_containers.volumes import Volume as Volume

__all__ = [
    "SQL",
    "Container",
    "ContainerError",
    "ContainerExited",
    "ContainerSpec",
    "Containers",
    "ExecResult",
    "File",
    "Image",
    "ImageSpec",
    "Limits",
    "Network",
    "NetworkSpec",
    "Volume",
    "VolumeSpec",
    "WaitTimeout",
    "container",
    "image",
    "network",
    "volume",
    "wait",
]

_PLACES = {
    "SQL": "snapshots.seeds",
    "Container": "handle",
    "ContainerError": "errors",
    "ContainerExited": "errors",
    "ContainerSpec": "definition",
    "Containers": "factory",
    "ExecResult": "handle",
    "File": "files",
    "Image": "images",
    "ImageSpec": "fixtures",
    "Limits": "limits",
    "Network": "networks",
    "NetworkSpec": "fixtures",
    "Volume": "volumes",
    "VolumeSpec": "fixtures",
    "WaitTimeout": "errors",
    "container": "fixtures",
    "image": "fixtures",
    "network": "fixtures",
    "volume": "fixtures",
}


_DEFINITIONS = frozenset(("container", "image", "network", "volume"))
on_definition: list[Callable[[], None]] = []
"""Called, and forgotten, when a name is imported that makes definitions (``plugin.pytest_make_collect_report``)."""


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _DEFINITIONS and on_definition:
        on_definition.pop()()
    if name == "wait":
        return import_module("pytest_containers.wait")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
