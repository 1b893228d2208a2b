"""``--containers-keep``: containers outlive the run, so that one can look inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_containers.client.errors import ClientError
from pytest_containers.errors import ContainerError
from pytest_containers.reports.part import Part

if TYPE_CHECKING:
    import pytest

    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

COMMAND = "pytest-containers"


class Keep(Part):
    """Those of failed tests, or all (``everything``)."""

    def __init__(self, *, everything: bool) -> None:
        self._everything = everything
        self._of_failed: set[str] = set()

    def failed(self, item: pytest.Item, containers: list[Container]) -> None:
        """They are to stay, whatever their scope."""
        del item
        self._of_failed.update(container.id for container in containers)

    def keeps(self, container: Container, *, failed: bool) -> bool:
        """See ``Part``."""
        return not container.removed and (self._everything or failed or container.id in self._of_failed)


def let_go(engine: Engine) -> list[dict[str, Any]]:
    """The run ends: leave the engine to itself where it is the run's own; returns what stays, as plain data."""
    if not engine.left:
        return []
    try:
        engine.keep()
        return [_told(engine, container) for container in engine.left]
    except (ClientError, ContainerError):
        return []  # the engine has died, and they with it


def _told(engine: Engine, container: Container) -> dict[str, Any]:
    return {
        "url": engine.url,
        "own": engine.kept,
        "name": container.name,
        "label": container.label or container.name,
        "image": container.image,
        "owner": container.owner or "session",
        "ending": container.ending(),
    }


def lines(kept: list[dict[str, Any]]) -> list[str]:
    """What the terminal says: what stays, how to look inside, how to end it."""
    told: list[str] = []
    for url in dict.fromkeys(one["url"] for one in kept):
        here = [one for one in kept if one["url"] == url]
        command = f"{COMMAND} -H {url}"
        told += [
            f"{one['label']} ({one['image']}) of {one['owner']}: {one['ending']}, as {one['name']}" for one in here
        ]
        names = [one["name"] for one in here]
        running = [one["name"] for one in here if one["ending"] == "running"]
        told += [f"  {command} exec -it {running[0]} sh"] if running else []
        told += [f"  {command} logs {names[0]}", f"  {command} ps -a"]
        if here[0]["own"]:
            told.append(f"to end: {command} clean (by itself an hour after it was used last)")
        else:
            told.append(f"to end: {command} rm -f -v {' '.join(names)}")
    return told
