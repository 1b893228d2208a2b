"""The markers, checked when tests are collected."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_containers.definition import ContainerSpec
    from pytest_containers.limits import Limits

LIMITS, IMAGES, TIMEOUT, INSIDE = "container_limits", "container_images", "container_timeout", "in_container"


def _limits(mark: pytest.Mark) -> Limits:
    from pytest_containers.limits import Limits

    known = [field.name for field in fields(Limits)]
    if mark.args:
        raise ValueError(f"takes no positional arguments, but {', '.join(known)} by name")
    unknown = sorted(set(mark.kwargs) - set(known))
    if unknown:
        raise ValueError(f"unknown limit {unknown[0]!r}; there are {', '.join(known)}")
    if not mark.kwargs:
        raise ValueError("names no limit")
    return Limits(**mark.kwargs)


def _images(mark: pytest.Mark) -> list[str]:
    if mark.kwargs or not mark.args:
        raise ValueError("takes the names of images, such as 'redis:7'")
    for image in mark.args:
        if not isinstance(image, str) or not image.strip():
            raise ValueError(f"{image!r} is not the name of an image")
    return list(mark.args)


def _timeout(mark: pytest.Mark) -> float:
    if mark.kwargs or len(mark.args) != 1:
        raise ValueError("takes one number, the seconds")
    seconds: object = mark.args[0]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise ValueError(f"takes a number of seconds above 0, not {seconds!r}")
    return seconds


def _inside(mark: pytest.Mark) -> object:
    from pytest_containers.isolation.place import arguments

    return arguments(mark)


def check(items: Iterable[pytest.Item]) -> None:
    """Raise CollectError with file and line for a marker with wrong arguments."""
    for item in items:
        for name, read in ((LIMITS, _limits), (IMAGES, _images), (TIMEOUT, _timeout), (INSIDE, _inside)):
            for mark in item.iter_markers(name):
                try:
                    read(mark)
                except ValueError as error:
                    path, line, _ = item.reportinfo()
                    raise pytest.Collector.CollectError(
                        f"{path}:{(line or 0) + 1}: marker {name} of {item.name}: {error}"
                    ) from None


def limits_of(node: pytest.Item | pytest.Collector) -> Limits | None:
    """The limits that markers set for a test, or for a class or module; the nearest marker decides."""
    limits: Limits | None = None
    for mark in node.iter_markers(LIMITS):
        farther = _limits(mark)
        limits = farther.merged(limits)
    return limits


def with_timeout(spec: ContainerSpec, node: object, *, call: bool) -> ContainerSpec:
    """A definition with the limit that the nearest marker of a test, class or module sets.

    The marker decides over a fixture's definition; what a ``call`` in the test says itself decides over the marker.
    """
    if not isinstance(node, pytest.Item | pytest.Collector) or (call and spec.timeout is not None):
        return spec
    mark = node.get_closest_marker(TIMEOUT)
    return spec if mark is None else replace(spec, timeout=_timeout(mark))


def images_of(items: Iterable[pytest.Item]) -> list[str]:
    """The images that markers name, each once, in order."""
    return list(dict.fromkeys(image for item in items for mark in item.iter_markers(IMAGES) for image in _images(mark)))
