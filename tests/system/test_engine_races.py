"""What comes while something else is going on: ends during starts, the engine's end during all of them."""

import json
import os
import signal
import socket
import time
from urllib.parse import quote

import pytest

from container_runtime.state.paths import data_home
from tests.system.test_engine import HANG, Connection, started

ROUNDS = 12


def create(engine, *command, host=None, **more):
    body = {"Image": "host", "Cmd": list(command), "HostConfig": {"NetworkMode": "none", **(host or {})}, **more}
    status, made = engine.call("POST", "/containers/create", body)
    assert status == 201, made
    return made["Id"]


def run(engine, *command, **more):
    made = create(engine, *command, **more)
    assert engine.call("POST", f"/containers/{made}/start")[0] == 204
    return made


def execute(engine, container, *command, **start):
    attached = not start.get("Detach")
    body = {"Cmd": list(command), "AttachStdout": attached}
    made = engine.call("POST", f"/containers/{container}/exec", body)[1]["Id"]
    connection = Connection(engine.path)
    connection.request("POST", f"/exec/{made}/start", json.dumps(start))
    return connection, made


def at_once(engine, *requests):
    """Send all before any answer is read; returns the statuses."""
    connections = [Connection(engine.path) for _ in requests]
    try:
        for connection, (method, path) in zip(connections, requests, strict=True):
            connection.request(method, path)
        return [connection.getresponse().status for connection in connections]
    finally:
        for connection in connections:
            connection.close()


def until(engine, container, holds):
    end = time.monotonic() + HANG
    while not holds(engine.call("GET", f"/containers/{container}/json")[1]["State"]):
        assert time.monotonic() < end
        time.sleep(0.01)  # a client sees a state only by asking for it


def actions(engine, container, since):
    filters = json.dumps({"container": [container], "type": ["container"]})
    connection = Connection(engine.path)
    connection.request("GET", f"/events?since={since}&until={time.time():.3f}&filters={quote(filters)}")
    lines = connection.getresponse().read().splitlines()
    connection.close()
    return [json.loads(line)["Action"] for line in lines]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with started(tmp_path_factory.mktemp("engine")) as made:
        yield made


@pytest.mark.parametrize("again", [False, True])
def test_a_removal_during_a_start_leaves_nothing_that_runs(engine, tmp_path, again):
    program = "test -e /second && exec sleep 1000; touch /second" if again else "exec sleep 1000"
    for _ in range(ROUNDS):
        one = create(engine, "sh", "-c", program, host={"Binds": [f"{tmp_path}:/shared"]})
        if again:
            engine.call("POST", f"/containers/{one}/start")
            engine.call("POST", f"/containers/{one}/wait")
        statuses = at_once(engine, ("POST", f"/containers/{one}/start"), ("DELETE", f"/containers/{one}?force=true"))
        assert statuses[1] == 204
        assert statuses[0] in {204, 404, 409}
        assert engine.call("GET", f"/containers/{one}/json")[0] == 404
    assert engine.call("GET", "/containers/json?all=true")[1] == []
    # A second removal has nothing to kill: what still ran would keep its directory on the disk, seen at the end.


@pytest.mark.parametrize("path", ["stop?t=0", "kill", "restart?t=0"])
def test_what_ends_a_container_waits_for_its_start(engine, tmp_path, path):
    for _ in range(ROUNDS):
        one = create(engine, "sleep", "1000", host={"Binds": [f"{tmp_path}:/shared"]})
        statuses = at_once(engine, ("POST", f"/containers/{one}/start"), ("POST", f"/containers/{one}/{path}"))
        assert statuses[0] in {204, 304}
        assert statuses[1] in ({204} if path.startswith("restart") else {204, 304, 409}), statuses
        if statuses[1] == 204 and not path.startswith("restart"):
            assert engine.call("GET", f"/containers/{one}/json")[1]["State"]["Status"] == "exited"
        assert engine.call("DELETE", f"/containers/{one}?force=true")[0] == 204


def test_a_stop_in_a_loop_of_restarts(engine):
    for _ in range(ROUNDS):
        one = run(engine, "false", host={"RestartPolicy": {"Name": "always"}})
        until(engine, one, lambda state: state["Status"] == "restarting")
        time.sleep(0.1)  # about when the next start is due; a stop succeeds before, during and after it
        assert engine.call("POST", f"/containers/{one}/stop?t=0")[0] == 204
        state = engine.call("GET", f"/containers/{one}/json")[1]["State"]
        assert (state["Status"], state["Restarting"]) == ("exited", False)
        assert engine.call("DELETE", f"/containers/{one}")[0] == 204


def test_a_signal_that_comes_too_late_is_no_error(engine):
    for _ in range(ROUNDS):
        one = run(engine, "sh", "-c", "read line", OpenStdin=True)
        statuses = at_once(engine, *[("POST", f"/containers/{one}/kill?signal=KILL")] * 4)
        assert statuses[0] == 204
        assert set(statuses) <= {204, 409}
        engine.call("DELETE", f"/containers/{one}?force=true")


@pytest.mark.parametrize("what", ["exec", pytest.param("pause", marks=pytest.mark.needs("limits"))])
def test_what_comes_just_after_the_end_is_told_so(engine, what):
    """The engine hears of an end a moment after the process has none of its files any more."""
    found = set()
    for _ in range(ROUNDS):
        one = run(engine, "sleep", "1000")
        pid = engine.call("GET", f"/containers/{one}/json")[1]["State"]["Pid"]
        os.kill(pid, signal.SIGKILL)
        if what == "exec":
            status, told = engine.call("POST", f"/containers/{one}/exec", {"Cmd": ["true"], "User": "root"})
        else:
            status, told = engine.call("POST", f"/containers/{one}/pause")
        if status not in {201, 204}:
            found.add((status, told["message"].replace(one, "ID")))
        engine.call("DELETE", f"/containers/{one}?force=true")
    assert found <= {(409, "container ID is not running")}


@pytest.mark.parametrize("joining", ["exec", "pid", "ipc"])
def test_what_enters_a_container_that_ends_is_told_so(engine, joining):
    """Whether the kernel refuses it, or kills it in the middle of its start."""
    found, other = set(), None
    for number in range(ROUNDS // 2):
        one = run(engine, "sleep", "1000", host={"IpcMode": "shareable"})
        pid = engine.call("GET", f"/containers/{one}/json")[1]["State"]["Pid"]
        if joining == "exec":
            made = engine.call("POST", f"/containers/{one}/exec", {"Cmd": ["sleep", "1000"], "Tty": True})[1]["Id"]
            path, body = f"/exec/{made}/start", json.dumps({"Detach": True, "Tty": True})
        else:
            other = create(engine, "true", host={f"{joining.title()}Mode": f"container:{one}"})
            path, body = f"/containers/{other}/start", None
        connection = Connection(engine.path)
        if number % 2:
            os.kill(pid, signal.SIGKILL)
        connection.request("POST", path, body)
        if not number % 2:
            os.kill(pid, signal.SIGKILL)
        answer = connection.getresponse()
        if answer.status not in {200, 204}:
            found.add((answer.status, json.loads(answer.read())["message"].replace(one, "ID")))
        connection.close()
        for name in filter(None, (one, other)):
            engine.call("DELETE", f"/containers/{name}?force=true")
    assert {status for status, _ in found} <= {404, 409}, found
    assert all("is not running" in text or "non running" in text or "No such exec" in text for _, text in found), found


@pytest.mark.needs("limits")
@pytest.mark.parametrize("end", [("POST", "kill"), ("POST", "stop?t=0"), ("DELETE", "?force=true")])
def test_a_pause_and_an_end_at_once(engine, end):
    """What is frozen after it was killed would never die (cgroups(7), the v1 freezer)."""
    program = "while :; do true & wait; done"  # freezing takes several looks where processes come and go
    for number in range(ROUNDS):
        one = run(engine, "sh", "-c", program)
        requests = [("POST", f"/containers/{one}/pause"), (end[0], f"/containers/{one}/{end[1]}".replace("/?", "?"))]
        statuses = at_once(engine, *(requests if number % 2 else requests[::-1]))
        assert 204 in statuses
        assert engine.call("DELETE", f"/containers/{one}?force=true")[0] in {204, 404}


def test_a_container_that_goes_with_its_end_is_removed_once(engine):
    since = time.time()
    one = run(engine, "sleep", "1000", host={"AutoRemove": True})
    assert engine.call("DELETE", f"/containers/{one}?force=true")[0] == 204
    engine.call("POST", f"/containers/{run(engine, 'true')}/wait")  # whatever was scheduled has been done
    assert actions(engine, one, since) == ["create", "start", "kill", "die", "destroy"]


def test_a_container_that_goes_with_its_end_can_be_restarted(engine):
    one = run(engine, "sleep", "1000", host={"AutoRemove": True})
    assert engine.call("POST", f"/containers/{one}/restart?t=0")[0] == 204
    assert engine.call("GET", f"/containers/{one}/json")[1]["State"]["Status"] == "running"
    assert engine.call("POST", f"/containers/{one}/stop?t=0")[0] == 204
    engine.call("POST", f"/containers/{one}/wait?condition=removed")
    assert engine.call("GET", f"/containers/{one}/json")[0] == 404


def _health(seconds):
    return {"Test": ["CMD", "sleep", "1000"], "Interval": 10**6, "Timeout": int(seconds * 1e9), "Retries": 1}


@pytest.mark.parametrize("what", ["attached", "detached", "unread", "check", "late check", "restarting", "starting"])
def test_the_engine_ends_while(tmp_path, what):
    connections = []
    with started(tmp_path) as engine:
        if what in {"attached", "detached", "unread"}:
            one = run(engine, "sleep", "1000")
            command = ["yes"] if what == "unread" else ["sleep", "1000"]
            connection, made = execute(engine, one, *command, Detach=what == "detached")
            connections.append(connection)
            end = time.monotonic() + HANG
            while not engine.call("GET", f"/exec/{made}/json")[1]["Running"]:
                assert time.monotonic() < end
        elif what == "check":
            one = run(engine, "sleep", "1000", Healthcheck=_health(1000))
            time.sleep(0.1)  # a check has begun, most likely; nothing here depends on it
        elif what == "late check":
            one = run(engine, "sleep", "1000", Healthcheck=_health(0.01))
            until(engine, one, lambda state: state["Health"]["Status"] == "unhealthy")
        elif what == "restarting":
            one = run(engine, "false", host={"RestartPolicy": {"Name": "always"}})
            until(engine, one, lambda state: state["Status"] == "restarting")
        else:
            for _ in range(5):
                one = create(engine, "sleep", "1000", host={"AutoRemove": True})
                connection = Connection(engine.path)
                connection.request("POST", f"/containers/{one}/start")
                connections.append(connection)
    for connection in connections:
        connection.close()


def test_the_engine_ends_while_a_registry_does_not_answer(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as registry:
        with started(tmp_path) as engine:
            connection = Connection(engine.path)
            connection.request("POST", f"/images/create?fromImage=127.0.0.1:{registry.getsockname()[1]}/image&tag=1")
            silent, _ = registry.accept()
        connection.close()
        silent.close()


def test_the_engine_ends_while_a_volume_is_filled(tmp_path):
    """What the filling has written goes with the run's directories, which the end looks at."""
    with started(tmp_path) as engine:
        body = {"Image": "host", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none", "Binds": ["full:/usr/bin"]}}
        connection = Connection(engine.path)
        connection.request("POST", "/containers/create", json.dumps(body))
        while engine.call("GET", "/volumes/full")[0] != 200:
            pass
        pid = engine.process.pid
    connection.close()
    assert not [*data_home().glob(f"layers-of-runs/run-{pid}-*")]
