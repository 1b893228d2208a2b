"""Which events a listener gets."""

import pytest

from container_runtime.engine.events.event_filter import matches
from container_runtime.engine.events.events import Event

IDENTITY = "abcdef" + "0" * 58
DIED = Event(1, "container", "die", IDENTITY, {"image": "redis:7", "name": "cache", "team": "red", "exitCode": "1"})
STARTED = Event(1, "container", "exec_start: ls -l", IDENTITY, {"image": "redis:7", "name": "cache"})
PULLED = Event(1, "image", "pull", "redis:7", {"name": "redis"})
CONNECTED = Event(1, "network", "connect", "f" * 64, {"name": "backend", "type": "bridge", "container": IDENTITY})


@pytest.mark.parametrize(
    ("event", "wanted", "expected"),
    [
        (DIED, {}, True),
        (DIED, {"type": ["container"]}, True),
        (DIED, {"type": ["image", "container"]}, True),
        (DIED, {"type": ["network"]}, False),
        (DIED, {"event": ["die"]}, True),
        (DIED, {"event": ["di"]}, False),
        (STARTED, {"event": ["exec_start"]}, True),
        (STARTED, {"event": ["exec_create"]}, False),
        (STARTED, {"event": ["exec_start: ls -l"]}, True),
        (DIED, {"container": ["abcdef"]}, True),
        (DIED, {"container": ["cache"]}, True),
        (DIED, {"container": ["other"]}, False),
        (CONNECTED, {"container": ["abcdef"]}, False),
        (CONNECTED, {"network": ["backend"]}, True),
        (CONNECTED, {"network": ["ff"]}, True),
        (DIED, {"network": ["backend"]}, False),
        (DIED, {"image": ["redis"]}, True),
        (DIED, {"image": ["redis:7"]}, True),
        (DIED, {"image": ["redis:6"]}, False),
        (PULLED, {"image": ["redis"]}, True),
        (DIED, {"label": ["team=red"]}, True),
        (DIED, {"label": ["team", "team=blue"]}, False),
        (DIED, {"scope": ["local"]}, True),
        (DIED, {"scope": ["swarm"]}, False),
        (DIED, {"volume": ["v"]}, False),
        (DIED, {"daemon": ["x"]}, False),
        (DIED, {"unknown": ["x"]}, True),
        (DIED, {"type": ["container"], "event": ["start", "stop"]}, False),
    ],
)
def test_filters(event, wanted, expected):
    assert matches(event, wanted) is expected
