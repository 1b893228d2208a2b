"""Options that there are not."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

OF_FIXTURES = frozenset(("scope", "params", "ids", "autouse", "shared", "reuse"))
OF_LIMITS = frozenset(("memory", "swap", "cpus", "cpu_shares", "pids"))


def check_names(what: str, given: Iterable[str], known: Collection[str], near: Collection[str] = ()) -> None:
    """Raise TypeError for a name that is not among ``known``, with the one that may be meant; ``near``: more of those.

    ``what``: whose options they are.
    """
    __tracebackhide__ = True
    for name in given:
        if name in known:
            continue
        if name in OF_LIMITS:
            raise TypeError(f"{what} has no option {name!r}; limits are given as limits=Limits({name}=…)")
        found = [] if name in near else difflib.get_close_matches(name, {*known, *near})
        raise TypeError(f"{what} has no option {name!r}{f'; did you mean {found[0]!r}?' if found else ''}")
