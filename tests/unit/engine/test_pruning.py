"""What a prune's filters choose."""

import time

import pytest

from container_runtime.engine.pruning import Chosen
from container_runtime.errors import InvalidParameter

HOUR = 3600 * 10**9
NOW = time.time_ns() + 24 * HOUR  # not long ago, whenever in a long run the test has its turn


@pytest.mark.parametrize(
    ("text", "created", "labels", "expected"),
    [
        (None, NOW, {}, True),
        ('{"label":["a"]}', NOW, {"a": "1"}, True),
        ('{"label":["a=1","b"]}', NOW, {"a": "1"}, False),
        ('{"label!":["a"]}', NOW, {"a": "1"}, False),
        ('{"label!":["a=2"]}', NOW, {"a": "1"}, True),
        ('{"label!":["a","b"]}', NOW, {"a": "1"}, True),
        ('{"until":["30m"]}', NOW - 48 * HOUR, {}, True),
        ('{"until":["30m"]}', NOW, {}, False),
        ('{"until":{"2001-01-01":true}}', NOW, {}, False),
    ],
)
def test_filters(text, created, labels, expected):
    assert Chosen(text).includes(created, labels) is expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"foo":["1"]}', "invalid filter 'foo'"),
        ('{"dangling":["true"]}', "invalid filter 'dangling'"),
        ('{"until":["x"]}', "failed to parse value as time or duration"),
        ('{"until":["1h","2h"]}', "more than one until filter specified"),
    ],
)
def test_what_is_refused(text, told):
    with pytest.raises(InvalidParameter, match=told):
        Chosen(text)


def test_a_kind_may_have_more_filters():
    assert Chosen('{"dangling":["false"]}', "dangling").filters == {"dangling": ["false"]}
