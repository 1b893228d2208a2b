"""Filters of the list of containers."""

import json
from types import SimpleNamespace

import pytest

from container_runtime.engine.container import NEVER
from container_runtime.engine.life import lifecycle
from container_runtime.engine.request.mountpoints import MountPoint
from container_runtime.engine.views import container_filter
from container_runtime.errors import EngineError, InvalidParameter, NotFound
from container_runtime.network.bindings import Port
from container_runtime.network.publisher import Published

BODY = {"Image": "tool", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}}
PUBLISHED = Published(Port(81, "tcp"), "127.0.0.1", 8080)


class Box(SimpleNamespace):
    def visible_state(self):
        return self.state

    def command(self):
        return ["true"]


def box(number, state, **fields):
    known = {
        "id": f"{number:064x}", "name": f"box{number}", "state": state, "created": f"2026-01-0{number}", "labels": {},
        "image": SimpleNamespace(id="sha256:1", config={}), "health": None, "started_at": NEVER, "exit_code": 0,
        "host": {}, "body": {"Image": "tool"}, "endpoints": {}, "network_mode": "bridge", "created_seconds": 1,
        "finished_at": NEVER, "running": state == lifecycle.RUNNING, "published": None,
        "points": [MountPoint("volume", f"/data{number}", name="kept")],
    }  # fmt: skip
    return Box(**{**known, **fields})


class Engine:
    def __init__(self):
        moment = "2026-01-01T00:00:00Z"
        network = (SimpleNamespace(name="back", id="beef" * 16), SimpleNamespace())
        self.images = self
        self.found = [
            box(1, lifecycle.EXITED, exit_code=3, started_at=moment, finished_at=moment, labels={"a": "1"}),
            box(
                2,
                lifecycle.RUNNING,
                started_at=moment,
                health=SimpleNamespace(status="healthy"),
                body=BODY,
                published=[],
            ),
            box(3, lifecycle.CREATED, body=BODY),
            box(4, lifecycle.PAUSED, started_at=moment, published=[PUBLISHED], network_mode="back"),
        ]
        self.containers = {one.id: one for one in self.found}
        self.network = network

    def find(self, name):
        for one in self.found:
            if one.name == name:
                return one
        raise NotFound(f"No such container: {name}")

    def get(self, name):
        if name != "tool":
            raise EngineError("no")
        return SimpleNamespace(id="sha256:1")


def chosen(*, everything=True, limit=0, **wanted):
    text = json.dumps({name.replace("_", "-"): values for name, values in wanted.items()})
    found = container_filter.select(Engine(), text, everything=everything, limit=limit)
    return [int(one.name.removeprefix("box")) for one in found]


def test_what_is_listed_without_filters():
    assert chosen() == [4, 3, 2, 1]
    assert chosen(everything=False) == [4, 2]
    assert chosen(everything=False, limit=3) == [4, 3, 2]
    assert chosen(everything=False, limit=-1) == [4, 2]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"status": ["exited", "created"]}, [3, 1]),
        ({"exited": ["3"]}, [1]),
        ({"exited": ["0"]}, []),
        ({"label": ["a=1"]}, [1]),
        ({"name": ["^box[12]$"]}, [2, 1]),
        ({"name": ["^/(box3|box4)$"]}, [4, 3]),
        ({"name": ["(b+)+$"]}, []),
        ({"name": ["box1", "/box2"]}, [2, 1]),
        ({"ancestor": ["tool"]}, [4, 3, 2, 1]),
        ({"ancestor": ["other"]}, []),
        ({"ancestor": ["other", "tool"]}, [4, 3, 2, 1]),
        ({"before": ["box3"]}, [2, 1]),
        ({"since": ["box3"]}, [4]),
        ({"since": ["box1"], "before": ["box4"]}, [3, 2]),
        ({"health": ["healthy"]}, [2]),
        ({"health": ["none"]}, [4, 3, 1]),
        ({"is_task": ["false"]}, [4, 3, 2, 1]),
        ({"is_task": ["true"]}, []),
        ({"network": ["back"]}, [4]),
        ({"expose": ["80"]}, [2]),
        ({"expose": ["50-60/udp"]}, [2]),
        ({"expose": ["80/udp"]}, []),
        ({"expose": ["81", "53/udp"]}, [4, 2]),
        ({"publish": ["8080/tcp"]}, [4]),
        ({"publish": ["80", "8000-9000"]}, [4]),
        ({"publish": ["81"]}, []),
        ({"volume": ["/data"]}, []),
        ({"volume": ["/data1"]}, [1]),
        ({"volume": ["kept"]}, [4, 3, 2, 1]),
        ({"isolation": ["anything"]}, [4, 3, 2, 1]),
        ({"id": ["0" * 63 + "2"]}, [2]),
    ],
)
def test_filters(wanted, expected):
    assert chosen(**wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"foo": ["1"]}, "invalid filter 'foo'"),
        ({"status": ["foo"]}, "invalid filter 'status=foo'"),
        ({"health": ["foo"]}, "invalid filter 'health=foo'"),
        ({"exited": ["x"]}, "invalid filter 'exited=x'"),
        ({"is_task": ["x"]}, "invalid filter 'is-task="),
        ({"publish": ["x"]}, 'looking up for publish x: invalid port specification: "x"'),
        ({"expose": ["9-8"]}, "looking up for expose 9-8"),
        ({"expose": ["1-70000"]}, "looking up for expose 1-70000"),
    ],
)
def test_what_is_refused(wanted, told):
    with pytest.raises(InvalidParameter, match=told):
        chosen(**wanted)


def test_before_one_that_is_not_there():
    with pytest.raises(NotFound, match="No such container: nope"):
        chosen(before=["nope"])
