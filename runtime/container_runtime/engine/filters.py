"""Docker's ``filters`` parameter: which objects of a list are meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Filters = dict[str, list[str]]


def parse(text: str | None, allowed: Iterable[str] | None) -> Filters:
    """The JSON of a query: a map of lists, or of maps to true as old clients send it. ``allowed`` None: any name.

    Raises:
        InvalidParameter: it is neither, or names a filter that is not in ``allowed``.
    """
    if not text:
        return {}
    import json

    try:
        raw: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(f"invalid filter: not JSON ({error})") from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise InvalidParameter("invalid filter: a map is expected")
    found: Filters = {}
    for name, values in raw.items():  # pyright: ignore[reportUnknownVariableType]
        if allowed is not None and name not in allowed:
            raise InvalidParameter(f"invalid filter '{name}'")
        entries: Any = values
        if isinstance(values, dict):
            entries = [key for key, on in values.items() if on]  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise InvalidParameter(f"invalid filter '{name}': a list of strings is expected")
        found[name] = entries
    return found


def labels_match(wanted: Iterable[str], labels: Mapping[str, str]) -> bool:
    """Whether all of ``key`` and ``key=value`` hold."""
    for one in wanted:
        key, sign, value = one.partition("=")
        if key not in labels or (sign and labels[key] != value):
            return False
    return True


def any_equal(wanted: Iterable[str] | None, value: str) -> bool:
    """Whether there is no such filter, or one of its values is ``value``."""
    return wanted is None or value in wanted


def any_prefix(wanted: Iterable[str] | None, value: str) -> bool:
    """Whether there is no such filter, or ``value`` begins with one of its values (ids)."""
    return wanted is None or any(value.startswith(one) for one in wanted)


def any_pattern(wanted: Iterable[str] | None, values: Iterable[str]) -> bool:
    """Whether there is no such filter, or one of its regular expressions is found in one of ``values`` (names).

    Docker's are Go's (RE2); a pattern that Python does not take, or that is long enough to be costly, is compared
    as plain text.
    """
    if wanted is None:
        return True
    for pattern in wanted:
        for value in values:
            if pattern in value:
                return True
            if _search(pattern, value):
                return True
    return False


_REPETITION = re.compile(r"[*+?{]")
_COSTLY = re.compile(r"\)[*+?{]|\(\?|\\\d")  # a repeated group; what Go has not; a reference to a group


def _search(pattern: str, value: str) -> bool:
    """Python's search can take long where Go's cannot: only what is sure to end soon is searched for."""
    if len(pattern) > 256 or len(_REPETITION.findall(pattern)) > 3 or _COSTLY.search(pattern):
        return False
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return False


def boolean(wanted: Iterable[str] | None, name: str) -> bool | None:
    """The value of a filter such as ``dangling``; None where it is not given.

    Raises:
        InvalidParameter: neither true nor false.
    """
    if not wanted:
        return None
    values = {one.lower() for one in wanted}
    if values <= {"1", "true", "t"}:
        return True
    if values <= {"0", "false", "f"}:
        return False
    raise InvalidParameter(f"invalid filter '{name}=[{' '.join(sorted(values))}]': true or false is expected")
