"""Docker's notations for spans and points of time."""

from __future__ import annotations

import re
import time
from argparse import ArgumentTypeError
from datetime import datetime
from decimal import Decimal

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
"""Nanoseconds; both letters mu, as Go's ``time.ParseDuration`` has them."""
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]{1,9})?", re.ASCII)


def nanoseconds(text: str) -> int:
    """Return a span such as ``1m30s`` in nanoseconds, as Go writes them; raises ArgumentTypeError."""
    if text == "0":
        return 0
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ArgumentTypeError(f"bad duration {text!r}: expected a number and a unit, such as 500ms, 5s or 1m30s")
    return int(sum(Decimal(number) * _UNITS[unit] for number, unit in parts))


def point(text: str) -> str:
    """Return a point of time as the API has it, seconds since 1970: raises ArgumentTypeError.

    ``text``: those seconds, RFC 3339 (a part of it will do, local time where no zone is named), or ``5m`` ago.
    """
    if _SECONDS.fullmatch(text):
        return text
    try:
        return _seconds(time.time_ns() - nanoseconds(text))
    except ArgumentTypeError:
        pass
    try:
        parsed = datetime.fromisoformat(_short_fraction(text))
    except ValueError:
        raise ArgumentTypeError(
            f"bad time {text!r}: expected seconds since 1970, 2026-01-31T12:00:00Z, or a span such as 5m"
        ) from None
    return _seconds(int(parsed.timestamp()) * 10**9 + _fraction(text))


def _seconds(nanoseconds_: int) -> str:
    return f"{nanoseconds_ // 10**9}.{nanoseconds_ % 10**9:09d}"


def _short_fraction(text: str) -> str:
    """Cut digits after the sixth: Python's times have microseconds."""
    return re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)


def _fraction(text: str) -> int:
    match = re.search(r"\.([0-9]{1,9})", text)
    return int(match[1].ljust(9, "0")) if match else 0


def since_epoch(text: str) -> float:
    """Return an RFC 3339 time of an answer in seconds since 1970; 0 for what is none."""
    try:
        return datetime.fromisoformat(_short_fraction(text)).timestamp()
    except ValueError:
        return 0.0
