"""What happened to images and networks, told to those who listen; containers tell it themselves (``publish``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.errors import EngineError

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine
    from container_runtime.images.model import Image
    from container_runtime.network.model import Network


def image(engine: Engine, action: str, identity: str, name: str = "", labels: dict[str, str] | None = None) -> None:
    """Something happened to an image: import, load, tag, untag, delete, pull, push, save.

    ``identity`` is its id, or for pull and push its reference; ``name`` what Docker calls so: the new name of a tag,
    the repository of a pull, else the id.
    """
    engine.events.publish("image", action, identity, {**(labels or {}), "name": name or identity})


def pulled(engine: Engine, reference: str) -> None:
    """An image has been fetched, or was up to date."""
    from container_runtime.images.reference import parse

    parsed = parse(reference)
    try:
        labels = labels_of(engine.images.get(reference))
    except EngineError:  # removed again meanwhile
        labels = {}
    image(engine, "pull", parsed.familiar, parsed.familiar_name, labels)


def labels_of(found: Image) -> dict[str, str]:
    """An image's labels, as far as they are text."""
    labels = found.config.get("Labels") or {}
    return {str(key): value for key, value in labels.items() if isinstance(value, str)}


def network(engine: Engine, action: str, about: Network, container: str = "") -> None:
    """Something happened to a network: ``create``, ``destroy``; ``connect``, ``disconnect`` of a container's id."""
    attributes = {"name": about.name, "type": about.driver}
    engine.events.publish("network", action, about.id, attributes | ({"container": container} if container else {}))


def connections(engine: Engine, action: str, container: Container) -> None:
    """A container has started (``connect``) or ended (``disconnect``): its networks, and those that are only a name."""
    found = [about for about, _ in container.endpoints.values()]
    if not found and container.network_mode in {"none", "host"}:
        found = [about for about in engine.networks.list() if about.name == container.network_mode]
    for about in found:
        network(engine, action, about, container.id)


def pruned(engine: Engine, kind: str, reclaimed: int = 0) -> None:
    """A prune of all objects of a kind has ended; ``reclaimed`` in bytes."""
    engine.events.publish(kind, "prune", "", {"reclaimed": str(reclaimed)})


def removed(engine: Engine, about: Image, answers: list[dict[str, str]]) -> None:
    """An image lost names, or is gone: an event for each line of the answer that is about the image itself."""
    for answer in answers:
        if "Untagged" in answer:
            image(engine, "untag", about.id, "", labels_of(about))
        elif answer.get("Deleted") == about.id:
            image(engine, "delete", about.id)
