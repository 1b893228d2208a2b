"""Starts that fail late, and terminals that are closed early: whatever was begun has an owner that ends it."""

import json
import os
import resource
import time
from pathlib import Path

import pytest

from tests.system.test_engine import Connection, receive_all, started
from tests.waiting import until_gone

_MOST = 40
"""Descriptors of one start, and more."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with started(tmp_path_factory.mktemp("engine")) as made:
        yield made


class Kept:
    """Requests on one connection that is there already: no descriptor is needed to accept it."""

    def __init__(self, engine):
        self.connection = Connection(engine.path)
        self.connection.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def call(self, method, path, body=None):
        self.connection.request(method, path, None if body is None else json.dumps(body))
        answer = self.connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data else None


@pytest.fixture
def kept(engine):
    with Kept(engine) as made:
        yield made


def descriptors(engine):
    return {int(entry.name) for entry in Path(f"/proc/{engine.process.pid}/fd").iterdir()}


def settled(engine):
    """Its descriptors, when those of what has just ended are closed, which nothing tells: two equal looks."""
    found, again = None, descriptors(engine)
    while found != again:
        time.sleep(0.05)
        found, again = again, descriptors(engine)
    return again


def sleepers(engine):
    """How many processes below the engine are its containers' programs."""
    found, waiting = 0, [engine.process.pid]
    while waiting:
        for children in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            below = [int(word) for word in children.read_text().split()]
            found += sum(Path(f"/proc/{pid}/comm").read_text() == "sleep\n" for pid in below)
            waiting += below
    return found


def with_each_limit(engine, make, start):
    """``start(make())`` with one more descriptor to spare each time, until it succeeds; returns what it said before."""
    before = resource.prlimit(engine.process.pid, resource.RLIMIT_NOFILE)
    refusals = []
    for spare in range(_MOST):
        made = make()
        free = sorted(set(range(1000)) - settled(engine))
        resource.prlimit(engine.process.pid, resource.RLIMIT_NOFILE, (free[spare], before[1]))
        status, told = start(made)
        resource.prlimit(engine.process.pid, resource.RLIMIT_NOFILE, before)
        if status < 300:
            return refusals
        refusals.append(told["message"])
    raise AssertionError(refusals[-1])


@pytest.mark.parametrize("tty", [False, True])
def test_a_start_without_descriptors_leaves_nothing(engine, kept, tty):
    """Every step of it is once the one that has none, the last one when the program runs already."""
    engine.run("true", HostConfig={"NetworkMode": "host"})  # what the first start of all makes is there
    before = len(descriptors(engine))
    made = []

    def create():
        body = {"Image": "host", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "host"}}
        made.append(kept.call("POST", "/containers/create", {**body, "Tty": tty, "OpenStdin": True})[1]["Id"])
        return made[-1]

    refusals = with_each_limit(engine, create, lambda one: kept.call("POST", f"/containers/{one}/start"))
    states = [kept.call("GET", f"/containers/{one}/json")[1]["State"] for one in made]
    found = [(state["Status"], state["Pid"], state["ExitCode"], state["Error"]) for state in states[:-1]]
    assert found == [("created", 0, 128, refusal) for refusal in refusals]
    assert ("the process has started without sending its terminal" in refusals) == tty
    assert sleepers(engine) == 1
    engine.ok("POST", f"/containers/{made[-1]}/kill")
    until_gone(lambda: len(descriptors(engine)) > before)  # those of an end, in no order with its news


@pytest.mark.parametrize("tty", [False, True])
def test_an_exec_without_descriptors_leaves_nothing(engine, kept, tty):
    one = engine.run("cat", OpenStdin=True, HostConfig={"NetworkMode": "host"})
    before = len(descriptors(engine))

    def create():
        body = {"Cmd": ["sleep", "1000"], "Tty": tty, "AttachStdin": True}
        return kept.call("POST", f"/containers/{one}/exec", body)[1]["Id"]

    def start(exec_id):
        return kept.call("POST", f"/exec/{exec_id}/start", {"Detach": True, "Tty": tty})

    refusals = with_each_limit(engine, create, start)
    assert any("without sending its terminal" in refusal for refusal in refusals) == tty
    assert sleepers(engine) == 1
    engine.ok("POST", f"/containers/{one}/kill")
    until_gone(lambda: len(descriptors(engine)) > before)  # those of an end, in no order with its news


def test_a_terminal_that_its_program_closes_stays_its_own(engine, tmp_path):
    """It can be opened again, nobody gets SIGHUP, and no other file is taken for it meanwhile."""
    script = (
        "exec </dev/null >/dev/null 2>&1; read go </shared/go; exec >/dev/console; stty size </dev/console; echo $go"
    )
    os.mkfifo(tmp_path / "go")
    one = engine.run("sh", "-c", script, Tty=True, HostConfig={"NetworkMode": "none", "Binds": [f"{tmp_path}:/shared"]})
    connection, _, early = engine.raw(f"/containers/{one}/attach?stream=1&stdout=1&logs=1")
    with (tmp_path / "go").open("w") as gate:  # the other side is open: the terminal is closed
        engine.ok("POST", f"/containers/{one}/resize?h=33&w=77")
        gate.write("well\n")
    assert receive_all(connection, early) == b"33 77\r\nwell\r\n"
    connection.close()
