"""Times in Docker's forms."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.engine.events import moments
from container_runtime.errors import InvalidParameter

SECOND = 10**9
NOW = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("-1", None),
        ("0", 0),
        ("12", 12 * SECOND),
        ("1136073600.000000001", 1136073600 * SECOND + 1),
        ("1.5", 3 * SECOND // 2),
        ("10m", NOW - 600 * SECOND),
        ("1h30m", NOW - 5400 * SECOND),
        ("1.5s", NOW - 3 * SECOND // 2),
        ("250ms", NOW - SECOND // 4),
        ("2006-01-02T15:04:05Z", 1136214245 * SECOND),
        ("2006-01-02T15:04:05.000000007Z", 1136214245 * SECOND + 7),
        ("2006-01-02T16:04:05+01:00", 1136214245 * SECOND),
        ("2006-01-02Z", 1136160000 * SECOND),
    ],
)
def test_forms(text, expected):
    assert moments.parse(text, "since", NOW) == expected


def test_without_a_zone_it_is_the_machines():
    local = int(time.mktime((2006, 1, 2, 15, 4, 0, 0, 0, -1)))
    assert moments.parse("2006-01-02T15:04", "since", NOW) == local * SECOND


@pytest.mark.parametrize("text", ["x", "1x", "2006-13-02", "2006-01-02T25:00:00Z", "--1", "1h-", "0x10", "\u0661"])
def test_what_is_none_is_refused_by_name(text):
    with pytest.raises(InvalidParameter, match="until"):
        moments.parse(text, "until", NOW)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text):
    try:
        found = moments.parse(text, "since", NOW)
    except InvalidParameter:
        return
    assert found is None or isinstance(found, int)
