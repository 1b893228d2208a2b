"""How things are written: Docker's tables, ages and sizes; lines of output and errors."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MINUTE, HOUR, DAY, WEEK, MONTH, YEAR = 60, 3600, 86400, 604800, 2592000, 31536000
_AGES = ((HOUR, MINUTE, "minutes"), (2 * DAY, HOUR, "hours"), (2 * WEEK, DAY, "days"), (2 * MONTH, WEEK, "weeks"),
         (2 * YEAR, MONTH, "months"))  # fmt: skip
"""Below the first number of seconds an age is told in units of the second; the steps are Docker's."""
_MIN_WIDTH, _GAP = 10, 3
"""Docker's tables: no column narrower than ten characters, three spaces between two."""


def line(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{text}\n")


def error(text: str) -> None:
    """Write a line to standard error, with the program's name."""
    sys.stdout.flush()
    sys.stderr.write(f"pytest-containers: {text}\n")


def raw(stream: int, data: bytes) -> None:
    """Write what a container wrote, to the same stream (1 or 2), at once."""
    target = sys.stderr if stream == 2 else sys.stdout
    target.buffer.write(data)
    target.flush()


def silence() -> None:
    """Point standard output at nothing: its reader is gone, and what is still buffered must not be an error."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return lines with columns as wide as their widest cell."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(_MIN_WIDTH, *(len(cells[column]) + _GAP for cells in lines)) for column in range(len(header) - 1)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)) + cells[-1] for cells in lines
    )


def age(seconds: float) -> str:
    """Return a span of time in words: ``5 seconds``, ``About an hour``."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole < MINUTE:
        return f"{whole} second" + ("s" if whole > 1 else "")
    if whole < 2 * MINUTE:
        return "About a minute"
    if HOUR <= whole < HOUR + HOUR // 2:
        return "About an hour"
    for limit, unit, name in _AGES:
        if whole < limit:
            return f"{round(whole / unit) if unit == HOUR else whole // unit} {name}"
    return f"{whole // YEAR} years"


def size(count: float) -> str:
    """Return a number of bytes in three digits and decimal units: ``74.8MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g}TB"


def shortened(text: str, limit: int) -> str:
    """Return at most ``limit`` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def short_id(identifier: str, *, whole: bool = False) -> str:
    """Return an id as lists show it: twelve digits, or whole."""
    return identifier if whole else identifier.removeprefix("sha256:")[:12]
