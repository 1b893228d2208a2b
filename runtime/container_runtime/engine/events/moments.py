"""Times as Docker's API takes them: seconds since 1970, RFC 3339 and its shorter forms, or a duration before now.

Reference: moby, daemon/internal/timestamp (GetTimestamp, ParseTimestamps); Go, time.ParseDuration.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from container_runtime.errors import InvalidParameter

_UNIX = re.compile(r"(-?\d{1,11})(?:\.(\d{1,30}))?", re.ASCII)
_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d{0,12})?(?:ns|us|µs|ms|s|m|h))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)


def parse(text: str | None, name: str, now: int) -> int | None:
    """The moment in nanoseconds since 1970; None where ``text`` is missing or -1, which stands for no limit.

    ``now`` in nanoseconds: what durations are taken from. A date without a zone is in this machine's.

    Raises:
        InvalidParameter: it is none of the forms; the message has ``name``.
    """
    if text is None or text in {"", "-1"}:
        return None
    if match := _UNIX.fullmatch(text):
        fraction = int((match[2] or "0").ljust(9, "0")[:9])
        return int(match[1]) * 10**9 + fraction
    if _DURATION.fullmatch(text):
        return now - sum(int(float(number) * _UNITS[unit]) for number, unit in _PART.findall(text))
    if match := _DATE.fullmatch(text):
        try:
            return _date(match)
        except (ValueError, OverflowError):
            pass
    raise InvalidParameter(f'invalid value for {name}: failed to parse value as time or duration: "{text}"')


def _date(match: re.Match[str]) -> int:
    day, hour, minute, second, fraction, zone = match.groups()
    iso = f"{day}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone or ''}"
    moment = datetime.fromisoformat(iso)
    if moment.tzinfo is None:
        moment = moment.astimezone()
    whole = (moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")) // timedelta(seconds=1)
    return whole * 10**9 + int((fraction or "0").ljust(9, "0"))
