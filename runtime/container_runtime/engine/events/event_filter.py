"""Which events a listener asked for (moby, daemon/events/filter.go); filters of other names are ignored, as there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from container_runtime.engine import filters
from container_runtime.errors import InvalidParameter
from container_runtime.images.reference import parse

if TYPE_CHECKING:
    from container_runtime.engine.events.events import Event

_OBJECTS = ("daemon", "container", "plugin", "volume", "network", "node", "service", "secret", "config")
# Actions that go on behind a colon ("exec_start: ls"): where one of them is asked for, the beginning is compared.
_OPEN_ENDED = frozenset(("health_status", "exec_create", "exec_start"))


def matches(event: Event, wanted: filters.Filters) -> bool:
    """Whether ``event`` passes all filters; several values of one are alternatives, but for labels."""
    return (
        _action(event, wanted.get("event"))
        and filters.any_equal(wanted.get("type") or None, event.type)
        and filters.any_equal(wanted.get("scope") or None, "local")
        and all(_object(event, wanted.get(kind)) for kind in _OBJECTS)
        and _image(event, wanted.get("image"))
        and filters.labels_match(wanted.get("label", ()), event.attributes)
    )


def _action(event: Event, wanted: list[str] | None) -> bool:
    if not wanted or event.action in wanted:
        return True
    return not _OPEN_ENDED.isdisjoint(wanted) and any(event.action.startswith(one) for one in wanted)


def _object(event: Event, wanted: list[str] | None) -> bool:
    """By id or name, or the beginning of either."""
    name = event.attributes.get("name", "")
    return not wanted or any(event.identity.startswith(one) or name.startswith(one) for one in wanted)


def _image(event: Event, wanted: list[str] | None) -> bool:
    """By id or name, with or without its tag; a container's events are also those of its image."""
    if not wanted:
        return True
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    return not {event.identity, name, _stripped(event.identity), _stripped(name)}.isdisjoint(wanted)


def _stripped(name: str) -> str:
    try:
        return parse(name).familiar_name
    except InvalidParameter:
        return name
