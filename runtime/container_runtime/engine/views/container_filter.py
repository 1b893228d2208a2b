"""The filters of ``GET /containers/json`` (moby, daemon/list.go)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from container_runtime.engine import filters, publishing
from container_runtime.engine.container import NEVER
from container_runtime.engine.life import health, lifecycle
from container_runtime.engine.views import views
from container_runtime.errors import EngineError, InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine

NAMES = frozenset(
    "ancestor before exited expose health id is-task isolation label name network publish since status volume".split()
)
_STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
_HEALTH = (health.NONE, health.STARTING, health.HEALTHY, health.UNHEALTHY)


def select(engine: Engine, text: str | None, *, everything: bool, limit: int) -> list[Container]:
    """The containers that are meant, the youngest first.

    ``everything``: also those that do not run. ``limit`` above 0: that many at most, running or not.

    Raises:
        InvalidParameter: a filter that Docker does not have, or a value that it cannot have.
        NotFound: ``before`` or ``since`` names none.
    """
    wanted = filters.parse(text, NAMES)
    _check(wanted)
    everything = everything or limit > 0 or bool(wanted.get("status"))
    ancestors = _images(engine, wanted["ancestor"]) if wanted.get("ancestor") else None
    ordered = sorted(engine.containers.values(), key=lambda one: one.created, reverse=True)
    found = [
        one
        for one in _between(engine, ordered, wanted)
        if (everything or one.state in lifecycle.ACTIVE)
        and (ancestors is None or one.image.id in ancestors)
        and _matches(one, wanted)
    ]
    return found[:limit] if limit > 0 else found


def _check(wanted: filters.Filters) -> None:
    for name, kind, allowed in (("status", "state", _STATES), ("health", "health", _HEALTH)):
        for value in wanted.get(name, ()):
            if value not in allowed:
                raise InvalidParameter(
                    f"invalid filter '{name}={value}': invalid value for {kind} ({value}): must be one of "
                    f"{', '.join(allowed)}"
                )
    for value in wanted.get("exited", ()):
        if not re.fullmatch(r"[+-]?[0-9]{1,10}", value):
            raise InvalidParameter(f"invalid filter 'exited={value}': a whole number is expected")
    filters.boolean(wanted.get("is-task"), "is-task")
    publishing.check_filters(wanted)


def _images(engine: Engine, names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for name in names:
        try:
            found.add(engine.images.get(name).id)
        except EngineError:  # as Docker: an image that is not there has no containers
            continue
    return found


def _between(engine: Engine, ordered: list[Container], wanted: filters.Filters) -> list[Container]:
    """Those made before ``before`` and after ``since``; of several values the last one counts."""
    for name in wanted.get("before", ()):
        ordered = ordered[ordered.index(found) + 1 :] if (found := engine.find(name)) in ordered else []
    for name in wanted.get("since", ()):
        ordered = ordered[: ordered.index(found)] if (found := engine.find(name)) in ordered else ordered
    return ordered


def _matches(one: Container, wanted: filters.Filters) -> bool:
    return (
        filters.any_prefix(wanted.get("id") or None, one.id)
        and filters.any_pattern(wanted.get("name") or None, (one.name, f"/{one.name}"))
        and filters.labels_match(wanted.get("label", ()), one.labels)
        and filters.any_equal(wanted.get("status") or None, one.visible_state())
        and filters.any_equal(wanted.get("health") or None, one.health.status if one.health else health.NONE)
        and _exited(one, wanted.get("exited"))
        and not filters.boolean(wanted.get("is-task"), "is-task")
        and _in_network(one, wanted.get("network"))
        and _has_volume(one, wanted.get("volume"))
        and publishing.matches(one, wanted)
    )


def _exited(one: Container, codes: list[str] | None) -> bool:
    if not codes:
        return True
    ended = one.state not in lifecycle.ACTIVE and one.started_at != NEVER
    return ended and one.exit_code in {int(code) for code in codes}


def _in_network(one: Container, wanted: list[str] | None) -> bool:
    """By name, or the beginning of an id."""
    if not wanted:
        return True
    names = {network.name for network, _ in one.endpoints.values()} | {one.network_mode}
    identities = [network.id for network, _ in one.endpoints.values()]
    return any(value in names or any(each.startswith(value) for each in identities) for value in wanted)


def _has_volume(one: Container, wanted: list[str] | None) -> bool:
    """By the volume's name, the source of a bind, or the place in the container."""
    if not wanted:
        return True
    known: set[str] = set()
    for mount in views.summary(one)["Mounts"]:
        known.update((mount.get("Name") or mount.get("Source") or "", mount.get("Destination") or ""))
    return not known.isdisjoint(wanted)
