"""The arguments of ``in_container``: where a test runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from pytest_containers.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

MARKER = "in_container"
CASE = "_in_container_case"
"""The fixture whose parameters are the images and interpreters of a mark that names several."""
_LIMITS = tuple(field.name for field in fields(Limits))
_SEVERAL = ("image", "python")
_KNOWN = ("image", "python", "network", *_LIMITS, "env", "mounts", "user", "timeout")
HOST = "host"


@dataclass(frozen=True)
class Place:
    """Where a test runs; tests of equal places share a warm container.

    Attributes:
        image: an image.
        python: an interpreter in it, a path or a name; without it the one that runs pytest (image ``host``), else
            ``python3``.
        network: the engine's network; ``none`` is loopback alone.
        limits: what the container may use.
        env: environment variables, in pairs.
        mounts: directories of the machine and their places inside, in pairs.
        user: as for a container; the image's where not given.
    """

    image: str = HOST
    python: str | None = None
    network: str | None = None
    limits: Limits | None = None
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[tuple[str, str], ...] = ()
    user: str | None = None

    def __str__(self) -> str:
        words = [f"image {self.image}"]
        if self.python:
            words.append(self.python)
        if self.network:
            words.append("no network" if self.network == "none" else f"network {self.network}")
        if self.limits:
            words += [f"{name} {getattr(self.limits, name)}" for name in self.limits.given()]
        return ", ".join(words)


def arguments(mark: pytest.Mark) -> dict[str, Any]:
    """What a mark says, by name; ValueError for a wrong name or kind, before anything is made of it."""
    if len(mark.args) > 1:
        raise ValueError("takes one positional argument, the image")
    given: dict[str, Any] = dict(mark.kwargs)
    if mark.args:
        if "image" in given:
            raise ValueError("names the image twice")
        given["image"] = mark.args[0]
    unknown = sorted(set(given) - set(_KNOWN))
    if unknown:
        raise ValueError(f"unknown argument {unknown[0]!r}; there are {', '.join(_KNOWN)}")
    for name in _SEVERAL:
        if name in given:
            _choices(name, given[name])
    place(mark, {name: _choices(name, given[name])[0][1] for name in _SEVERAL if given.get(name) is not None})
    return given


def _is_several(value: object) -> bool:
    return isinstance(value, list | tuple | dict)


def _choices(name: str, value: object) -> list[tuple[str, str]]:
    """Id and value of each of several; of one, itself."""
    if value is None or not _is_several(value):
        pairs: list[tuple[object, object]] = [(value, value)]
    elif isinstance(value, Mapping):
        pairs = list(cast("Mapping[object, object]", value).items())
    else:
        pairs = [(one, one) for one in cast("Sequence[object]", value)]
    if not pairs:
        raise ValueError(f"{name} names none")
    for key, one in pairs:
        if name == "python" and one is None and not _is_several(value):
            continue
        if not isinstance(one, str) or not one.strip() or not isinstance(key, str):
            kind = "an image" if name == "image" else "an interpreter, such as 'python3' or '/usr/bin/python3'"
            raise ValueError(f"{name}: {one!r} is not the name of {kind}")
    return cast("list[tuple[str, str]]", pairs)


def cases(mark: pytest.Mark) -> list[tuple[str, dict[str, str]]]:
    """Ids and choices of a mark that names several images or interpreters; nothing where it names one of each."""
    given = arguments(mark)
    several = [name for name in _SEVERAL if _is_several(given.get(name))]
    found: list[tuple[str, dict[str, str]]] = [("", {})] if several else []
    for name in several:
        found = [
            ("-".join(filter(None, [before, key])), {**choice, name: value})
            for before, choice in found
            for key, value in _choices(name, given[name])
        ]
    return found


def _pairs(name: str, value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must map strings to strings, not be {value!r}")
    for pair in cast("Mapping[object, object]", value).items():
        if not all(isinstance(each, str) for each in pair):
            raise ValueError(f"{name} must map strings to strings, but holds {pair[0]!r}: {pair[1]!r}")
    return tuple(cast("Mapping[str, str]", value).items())


def _network(value: object) -> str | None:
    if isinstance(value, bool):
        return None if value else "none"
    if not isinstance(value, str) or not value:
        raise ValueError(f"network must be True, False or the name of a network, not {value!r}")
    return value


def place(mark: pytest.Mark, choice: Mapping[str, str]) -> Place:
    """The place that a mark means, of several the one that ``choice`` has; ValueError says what is wrong."""
    given: dict[str, Any] = dict(mark.kwargs)
    if mark.args:
        given["image"] = mark.args[0]
    given |= choice
    for name in _SEVERAL:
        if _is_several(given.get(name)):
            raise ValueError(f"{name}: a function, a class or a module may have several, a parameter one")
    user: object = given.get("user")
    if user is not None and (not isinstance(user, str) or not user):
        raise ValueError(f"user must be 'name', 'uid' or 'uid:gid', not {user!r}")
    limits = {name: given[name] for name in _LIMITS if given.get(name) is not None}
    _seconds(given.get("timeout"))
    return Place(
        image=given.get("image", HOST),
        python=given.get("python"),
        network=_network(given.get("network", True)),
        limits=Limits(**limits) if limits else None,
        env=_pairs("env", given.get("env", {})),
        mounts=_pairs("mounts", given.get("mounts", {})),
        user=user,
    )


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"timeout must be a number of seconds above 0, not {value!r}")
    return float(value)


def of(item: pytest.Item) -> tuple[Place, float | None]:
    """Where a marked test runs, and how many seconds it may take; ValueError where the mark is wrong."""
    mark = item.get_closest_marker(MARKER)
    if mark is None:
        raise ValueError("has no mark in_container")
    parameters: Mapping[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return place(mark, parameters.get(CASE, {})), _seconds(mark.kwargs.get("timeout"))


def parametrize(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """Make a test of each image and interpreter that the mark names."""
    try:
        found = cases(mark)
    except ValueError:
        return  # told with file and line, once the tests are there (markers.check)
    if found:
        metafunc.fixturenames.append(CASE)
        metafunc.parametrize(
            CASE, [choice for _, choice in found], indirect=True, scope="function", ids=[key for key, _ in found]
        )
