"""Paths of a container as clients write them: pure, so that Docker's rules can be read and tested without files.

What a slash or a dot at the end means is Go's ``path/filepath`` and moby's ``PreserveTrailingDotOrSeparator``.
"""

from __future__ import annotations

import posixpath
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_LINKS = 255  # moby/sys/symlink, maxLoopCount


def clean(path: str) -> str:
    """``path`` from the root, without ``.``, ``..`` and slashes at its end."""
    return "/" + posixpath.normpath("/" + path).strip("/")


def absolute(path: str) -> str:
    """``clean``, with a slash or ``/.`` at the end where ``path`` has one: then it is a directory, links followed."""
    found = clean(path)
    if base(path) == ".":
        found = found.rstrip("/") + "/."
    if path.endswith("/") and not found.endswith("/"):
        found += "/"
    return found


def base(path: str) -> str:
    """The last part, as Go's ``filepath.Base``: "/" of the root, "." of nothing, and ``.`` and ``..`` stay."""
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def link_target(path: str, readlink: Callable[[str], str | None]) -> str:
    """Where ``path`` leads when all links are followed, those to nothing too: the result need not be there.

    ``readlink`` gives the target of a link, None of anything else, and need not follow links on its way.

    Raises:
        OSError: more links than any path has (ELOOP).
    """
    done, rest, links = "", deque(_parts(path)), 0
    while rest:
        name = rest.popleft()
        if name == "..":
            done = done.rpartition("/")[0]
            continue
        target = readlink(f"{done}/{name}")
        if target is None:
            done = f"{done}/{name}"
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(40, "too many levels of symbolic links", path)
        if target.startswith("/"):
            done = ""
        rest.extendleft(reversed(_parts(target)))
    return done or "/"


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def is_below(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or in it; both clean."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")
