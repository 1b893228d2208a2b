"""How things are written: Docker's tables, JSON, ages and sizes; lines of output and errors."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterable, Mapping, Sequence

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


def as_json(value: Any) -> str:
    """Return a value as JSON on one line, as Docker's ``--format json`` has it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def format_option(parser: ArgumentParser, kinds: str = "table or json", short: str | None = None) -> None:
    """Add ``--format``, which knows no Go templates."""
    names = (short, "--format") if short else ("--format",)
    parser.add_argument(*names, type=_format, metavar="FORMAT", help=f"{kinds}; Go templates are for docker's command")


def _format(text: str) -> str:
    if text not in {"table", "json"}:
        raise ArgumentTypeError(f"{text!r} is not known: expected table or json; Go templates are for docker's command")
    return text


def listing(objects: Iterable[Mapping[str, Any]], columns: Mapping[str, str], kind: str | None) -> None:
    """Write objects as a table (``columns``: field by heading), or as a JSON object each on a line of its own."""
    if kind == "json":
        for one in objects:
            line(as_json(fields(one)))
        return
    line(table(list(columns), ([str(one[field]) for field in columns.values()] for one in objects)))


def fields(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an object is for JSON, in order: not what only the table has."""
    return {key: value for key, value in sorted(one.items()) if not key.startswith("_")}


def each(names: Iterable[str], action: Callable[[str], object], *, silent: bool = False) -> int:
    """Do it to all, whatever becomes of one, and print the name of each unless ``silent``; return 1 if one failed."""
    from pytest_containers.client.errors import APIError

    status = 0
    for name in names:
        try:
            action(name)
        except APIError as problem:
            error(str(problem))
            status = 1
        else:
            if not silent:
                line(name)
    return status


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


def flush() -> None:
    """Write what is buffered: somebody waits for each line."""
    sys.stdout.flush()


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, minimum: int = _MIN_WIDTH) -> str:
    """Return lines with columns as wide as their widest cell, but ``minimum`` characters at least."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(minimum, *(len(cells[column]) + _GAP for cells in lines)) for column in range(len(header) - 1)]
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


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    return f"{age(seconds)} ago"


def moment(seconds: float) -> str:
    """Return a time (seconds since 1970) as Docker's lists have it: ``2026-01-31 12:00:00 +0100 CET``."""
    parts = time.localtime(seconds)
    return f"{parts.tm_year:04}" + time.strftime("-%m-%d %H:%M:%S %z %Z", parts)  # %Y has no leading zeros


def size(count: float, digits: int = 3) -> str:
    """Return a number of bytes in decimal units and so many digits: ``74.8MB``."""
    return _scaled(count, 1000, ("B", "kB", "MB", "GB", "TB", "PB"), digits)


def binary_size(count: float) -> str:
    """Return a number of bytes in units of 1024 and four digits: ``23.54GiB``."""
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), 4)


def _scaled(count: float, base: int, units: Sequence[str], digits: int) -> str:
    index = 0
    while count >= base and index < len(units) - 1:
        count /= base
        index += 1
    return f"{count:.{digits}g}{units[index]}"


def quoted(text: str) -> str:
    """Return a text in double quotes, what cannot be printed escaped, as Go's ``strconv.Quote``."""
    names = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r",
             "\t": "\\t", "\v": "\\v"}  # fmt: skip
    return '"' + "".join(names.get(one) or (one if one.isprintable() else _escaped(ord(one))) for one in text) + '"'


def _escaped(point: int) -> str:
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def shortened(text: str, limit: int) -> str:
    """Return at most ``limit`` characters, the last of them an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def short_id(identifier: str, *, whole: bool = False) -> str:
    """Return an id as lists show it: twelve digits, or whole."""
    return identifier if whole else identifier.removeprefix("sha256:")[:12]


def joined(mapping: Mapping[str, str] | None) -> str:
    """Return labels in one cell: ``a=b,c=d``."""
    return ",".join(f"{key}={value}" for key, value in (mapping or {}).items())
