"""Hundreds of clients at once: operations on one container take turns, others do not wait, the loop never stands."""

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.differential.client import Api
from tests.engines import own_engine
from tests.registry import busybox_layer

CLIENTS = 200
SLOWEST = 1.0
"""Seconds that one turn of the event loop may take on a loaded machine. asyncio tells of every one above 0.1; a real
blocking call (a tree of files, a sleeping lock) shows up as many of these, the machine's other work as few."""
SLOW = re.compile(r"Executing (.*) took (\d+\.\d+) seconds")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    environment = {**os.environ, "PYTHONASYNCIODEBUG": "1"}
    with own_engine(tmp_path_factory.mktemp("engine"), environment) as engine:
        Api(engine.path).ok("POST", "/images/create", busybox_layer().bytes(), fromSrc="-", repo="tree", tag="1")
        yield engine
    slow = [(what[:300], float(seconds)) for what, seconds in SLOW.findall(engine.log.read_text())]
    assert not [one for one in slow if one[1] > SLOWEST]


@pytest.fixture
def api(engine, request):
    api = Api(engine.path, request.node.name)
    yield api
    api.clean()


def at_once(work, count=CLIENTS):
    """The results of ``work(number)``, all of which begin together."""
    gate = threading.Barrier(count)

    def one(number):
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_questions(api):
    one = api.run()
    paths = ("/_ping", "/info", "/containers/json?all=1", f"/containers/{one}/json", "/networks", "/images/json")
    assert set(at_once(lambda number: api.get(paths[number % len(paths)]).status)) == {200}


def test_starts_of_one(api):
    """One start makes it run, the others find it running."""
    one = api.create()
    statuses = at_once(lambda _: api.post(f"/containers/{one}/start").status)
    assert sorted(set(statuses)) == [204, 304]
    assert statuses.count(204) == 1


def test_ends_of_one(api):
    """Whoever waits hears the same; of those who stop, each finds it running or ended."""
    one = api.run("sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done")
    waiting = ThreadPoolExecutor(20)
    codes = [waiting.submit(api.wait, one) for _ in range(20)]
    api.execute(one, "true")
    statuses = at_once(lambda _: api.post(f"/containers/{one}/stop").status, 50)
    assert set(statuses) <= {204, 304}
    assert {code.result() for code in codes} == {7}
    waiting.shutdown()


def test_one_name(api):
    """A name is given once."""
    name = api.name()
    statuses = at_once(lambda _: api.post("/containers/create", api.body(), name=name).status, 50)
    assert (statuses.count(201), statuses.count(409)) == (1, 49)


def test_pauses_of_one(api):
    """Whatever the order, it ends in a state that one of them made, and works."""
    one = api.run()
    operations = ("pause", "unpause", "restart?t=0", "update", "stop?t=0", "start")
    statuses = at_once(lambda number: api.post(f"/containers/{one}/{operations[number % 6]}", {}).status, 60)
    assert set(statuses) <= {200, 204, 304, 409, 500}  # 500: Docker's answer to unpause where nothing is paused
    api.post(f"/containers/{one}/unpause")
    api.post(f"/containers/{one}/start")
    assert api.execute(one, "echo", "well") == (0, {1: b"well\n"})


def test_lives(api):
    """Many containers at once, from creation to removal."""

    def live(number):
        one = api.create("sh", "-c", f"echo {number}; exit {number % 7}", name=f"{api.prefix}.live{number}")
        api.ok("POST", f"/containers/{one}/start")
        found = api.wait(one), api.output(one)
        api.ok("DELETE", f"/containers/{one}")
        return found

    assert at_once(live, 60) == [(number % 7, {1: b"%d\n" % number}) for number in range(60)]


def test_execs_in_one(api):
    one = api.run()
    found = at_once(lambda number: api.execute(one, "echo", str(number)), 60)
    assert found == [(0, {1: b"%d\n" % number}) for number in range(60)]


def test_streams_beside_each_other(api):
    """Readers that stand still hold up nobody."""
    one = api.run("sh", "-c", f"yes {'x' * 100} | head -c 8000000; echo; echo done; sleep 600")
    idle = [api.hijack(f"/containers/{one}/attach", stream=1, stdout=1, logs=1) for _ in range(50)]
    found = at_once(lambda _: len(api.get(f"/containers/{one}/logs", stdout=1, tail=1).body), 20)
    api.follow(one, b"done")
    assert found
    assert api.get("/_ping").status == 200
    for stream in idle:
        stream.connection.close()
