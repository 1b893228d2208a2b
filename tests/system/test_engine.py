"""The engine as a process: how it is started, what ends it, and what it answers over HTTP."""

import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.leftovers import of_engine
from tests.waiting import until_gone

HANG = 60
"""Seconds; a hang limit, not a measurement."""


class Connection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("engine", timeout=HANG)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(HANG)
        self.sock.connect(str(self.path))


class Engine:
    """A process that was given a listening socket, so that a client may connect before it is ready."""

    def __init__(self, directory, *more, pass_fds=()):
        self.path = directory / "docker.sock"
        self.log = directory / "log"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.path))
            listener.listen(64)
            command = [sys.executable, "-P", "-m", "container_runtime", "serve", "--listen-fd", str(listener.fileno())]
            self.process = subprocess.Popen(
                [*command, "--log", str(self.log), *more], pass_fds=(listener.fileno(), *pass_fds)
            )

    def call(self, method, path, body=None):
        connection = Connection(self.path)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data[:1] in {b"{", b"["} else data
        finally:
            connection.close()

    def ok(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        assert status < 300, answer
        return answer

    def create(self, *command, **body):
        return self.ok("POST", "/containers/create", {"Image": "host", "Cmd": list(command), **body})["Id"]

    def run(self, *command, **body):
        identity = self.create(*command, **body)
        self.ok("POST", f"/containers/{identity}/start")
        return identity

    def raw(self, path, body=b"", *headers):
        """A hijacked connection, and what came behind the answer's head."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(HANG)
        connection.connect(str(self.path))
        lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode() + body)
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(4096)
        head, _, rest = data.partition(b"\r\n\r\n")
        return connection, head, rest

    def ended(self):
        """It has ended by itself, and nothing of it is there any more."""
        code = self.process.wait(HANG)
        until_gone(lambda: of_engine(self.process.pid))
        return code

    def stop(self):
        self.process.terminate()
        try:
            return self.ended()
        finally:
            assert "Traceback" not in self.log.read_text()


@contextmanager
def started(directory, *more, **options):
    engine = Engine(directory, *more, **options)
    try:
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with started(tmp_path_factory.mktemp("engine")) as made:
        yield made


def frames(data):
    while data:
        stream, length = struct.unpack(">B3xI", data[:8])
        yield stream, data[8 : 8 + length]
        data = data[8 + length :]


def receive_all(connection, data=b""):
    while more := connection.recv(1 << 16):
        data += more
    return data


# --- what ends it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, "shutdown", "lifeline", "process"])
def test_it_ends_with_everything_it_holds(tmp_path, how):
    ours, theirs = os.pipe()
    other = subprocess.Popen(["sleep", "1000"])
    engine = Engine(tmp_path, "--lifeline-fd", str(ours), "--watch-pid", str(other.pid), pass_fds=(ours,))
    os.close(ours)
    try:
        engine.run("sleep", "1000")
        if isinstance(how, signal.Signals):
            engine.process.send_signal(how)
        elif how == "shutdown":
            engine.ok("POST", "/x-pytest-containers/shutdown")
        elif how == "lifeline":
            os.close(theirs)
        else:
            other.kill()
        assert engine.ended() == 0
    finally:
        if how != "lifeline":
            os.close(theirs)
        other.kill()
        other.wait()
    assert "Traceback" not in engine.log.read_text()


def test_a_watched_process_that_has_gone_already(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert Engine(tmp_path, "--watch-pid", str(gone.pid)).ended() == 0


def test_its_own_socket_is_private_and_goes_with_it(tmp_path):
    path = tmp_path / "s"
    command = [sys.executable, "-P", "-m", "container_runtime", "serve", "--socket", path]
    with subprocess.Popen(command) as process:
        end = time.monotonic() + HANG
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.01)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        second = subprocess.run([*command], capture_output=True, text=True, timeout=HANG)
        assert second.returncode == 1
        assert "another engine answers there" in second.stderr
        process.terminate()
        process.wait(HANG)
    assert not path.exists()


@pytest.mark.needs("limits")
@pytest.mark.parametrize("victims", [("engine",), ("launcher",), ("engine", "launcher")])
def test_nothing_stays_frozen_of_a_run_that_is_killed(tmp_path, victims):
    """On v1 a process that is frozen does not die of SIGKILL: whoever is left thaws it, or the next engine does."""
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    engine = Engine(tmp_path / "first")
    try:
        identity = engine.run("sleep", "1000")
        engine.ok("POST", f"/containers/{identity}/pause")
        (launcher,) = Path(f"/proc/{engine.process.pid}/task/{engine.process.pid}/children").read_text().split()
        for victim in victims:
            os.kill({"engine": engine.process.pid, "launcher": int(launcher)}[victim], signal.SIGKILL)
        if "engine" not in victims:
            engine.process.terminate()
        elif "launcher" in victims:
            engine.process.wait(HANG)
            with started(tmp_path / "second") as other:
                other.ok("GET", "/_ping")
    finally:
        engine.ended()


def test_the_launcher_s_death_is_told(tmp_path):
    engine = Engine(tmp_path)
    identity = engine.run("sleep", "1000")
    children = Path(f"/proc/{engine.process.pid}/task/{engine.process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    assert engine.ok("POST", f"/containers/{identity}/wait")["StatusCode"] == 137
    status, answer = engine.call("POST", "/containers/create", {"Image": "host", "Cmd": ["true"]})
    if status == 201:
        status, answer = engine.call("POST", f"/containers/{answer['Id']}/start")
    assert status == 503
    assert "launcher" in answer["message"]
    engine.process.terminate()
    assert engine.ended() == 0


# --- what it answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"Image": "no-such:1", "Cmd": ["true"]}, 404, "no-such:1"),
        ({"Image": "host", "Entrypoint": [""], "Cmd": [""]}, 400, "first word is empty"),
        ({"Image": "host", "Cmd": {"a": 1}}, 400, "Cmd"),
        ({"Image": "host", "Cmd": ["true"], "HostConfig": {"Memory": 5}}, 400, "Memory"),
        ({"Image": "host", "Cmd": ["true"], "HostConfig": {"Memory": "5m"}}, 400, "Memory"),
        ({"Image": "host", "Cmd": ["true"], "HostConfig": {"NetworkMode": "nowhere"}}, 404, "nowhere"),
        ({"Image": "host", "Cmd": ["true"], "HostConfig": {"NetworkMode": "container:no"}}, 404, "no"),
        ({"Image": "host", "Cmd": ["true"], "WorkingDir": "here"}, 400, "working directory"),
    ],
)
def test_bad_requests_leave_nothing(engine, body, status, told):
    before = engine.ok("GET", "/containers/json?all=1")
    found, answer = engine.call("POST", "/containers/create", body)
    assert (found, told in answer["message"]) == (status, True), answer
    assert engine.ok("GET", "/containers/json?all=1") == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/containers/none/json", 404),
        ("GET", "/containers/json?filters=%7B", 400),
        ("GET", "/containers/json?limit=x", 400),
        ("GET", "/images/none/json", 404),
        ("GET", "/networks/nowhere", 404),
        ("GET", "/exec/none/json", 404),
        ("DELETE", "/networks/bridge", 403),
        ("DELETE", "/images/host", 409),
        ("POST", "/build", 501),
        ("GET", "/no/such/path", 404),
        ("GET", "/v9.9/_ping", 400),
    ],
)
def test_errors_are_messages(engine, method, path, status):
    found, answer = engine.call(method, path)
    assert found == status
    assert set(answer) == {"message"}


def test_a_program_that_is_not_there(engine):
    identity = engine.create("no-such-program")
    status, answer = engine.call("POST", f"/containers/{identity}/start")
    assert status == 400
    assert 'exec: "no-such-program": executable file not found in $PATH' in answer["message"]
    state = engine.ok("GET", f"/containers/{identity}/json")["State"]
    assert (state["Status"], state["ExitCode"]) == ("created", 127)
    engine.ok("DELETE", f"/containers/{identity}")


def test_waiting_begins_before_the_start(engine):
    identity = engine.create("sh", "-c", "exit 4")
    connection = Connection(engine.path)
    connection.request("POST", f"/containers/{identity}/wait?condition=next-exit")
    answer = connection.getresponse()  # the head comes at once
    engine.ok("POST", f"/containers/{identity}/start")
    assert json.loads(answer.read())["StatusCode"] == 4
    connection.close()
    engine.ok("DELETE", f"/containers/{identity}")


def test_waiting_for_the_removal(engine):
    identity = engine.create("true", HostConfig={"AutoRemove": True})
    connection = Connection(engine.path)
    connection.request("POST", f"/containers/{identity}/wait?condition=removed")
    answer = connection.getresponse()
    engine.ok("POST", f"/containers/{identity}/start")
    assert json.loads(answer.read())["StatusCode"] == 0
    connection.close()
    assert engine.call("GET", f"/containers/{identity}/json")[0] == 404


def test_states_that_forbid(engine):
    identity = engine.run("sleep", "1000")
    assert engine.call("POST", f"/containers/{identity}/start")[0] == 304
    assert engine.call("DELETE", f"/containers/{identity}")[0] == 409
    engine.ok("POST", f"/containers/{identity}/kill")
    assert engine.call("POST", f"/containers/{identity}/kill")[0] == 409
    assert engine.call("POST", f"/containers/{identity}/stop")[0] == 304
    assert engine.call("POST", f"/containers/{identity}/kill?signal=luck")[0] == 400
    engine.ok("DELETE", f"/containers/{identity}")


def test_half_closed_exec_reads_on(engine):
    identity = engine.run("sleep", "1000")
    made = engine.ok(
        "POST",
        f"/containers/{identity}/exec",
        {
            "Cmd": ["sh", "-c", "wc -c; echo done >&2"],
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
        },
    )
    upgrade = ("Connection: Upgrade", "Upgrade: tcp")
    connection, head, rest = engine.raw(f"/exec/{made['Id']}/start", b"{}", *upgrade)
    assert head.startswith(b"HTTP/1.1 101 UPGRADED")
    with connection:
        connection.sendall(b"x" * 1_000_000)
        connection.shutdown(socket.SHUT_WR)
        assert list(frames(receive_all(connection, rest))) == [(1, b"1000000\n"), (2, b"done\n")]
    details = engine.ok("GET", f"/exec/{made['Id']}/json")
    assert (details["Running"], details["ExitCode"]) == (False, 0)
    engine.ok("DELETE", f"/containers/{identity}?force=1")


def test_an_exec_is_started_once(engine):
    identity = engine.run("sleep", "1000")
    made = engine.ok("POST", f"/containers/{identity}/exec", {"Cmd": ["true"]})
    engine.ok("POST", f"/exec/{made['Id']}/start", {"Detach": True})
    assert engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})[0] == 409
    engine.ok("DELETE", f"/containers/{identity}?force=1")


def test_nobody_has_to_read_for_a_container_to_go_on(engine):
    identity = engine.create("sh", "-c", "head -c 30000000 /dev/zero; exit 6")
    connection, _, _ = engine.raw(f"/containers/{identity}/attach?stream=1&stdout=1")  # and is never read
    with connection:
        engine.ok("POST", f"/containers/{identity}/start")
        assert engine.ok("POST", f"/containers/{identity}/wait")["StatusCode"] == 6
        memory = Path(f"/proc/{engine.process.pid}/status").read_text()
        peak = int(memory.partition("VmHWM:")[2].split()[0]) // 1024
        assert peak < 100, "MiB: the output is in the log file, not in the engine"
    engine.ok("DELETE", f"/containers/{identity}")


def test_a_client_that_goes_away_ends_nothing(engine):
    identity = engine.run("sh", "-c", "while :; do echo x; sleep 0.01; done")
    for path in ("logs?follow=1&stdout=1", "wait"):
        connection = Connection(engine.path)
        connection.request("GET" if path.startswith("logs") else "POST", f"/containers/{identity}/{path}")
        connection.getresponse()
        connection.close()
    assert engine.ok("GET", f"/containers/{identity}/json")["State"]["Running"]
    engine.ok("DELETE", f"/containers/{identity}?force=1")


def test_many_at_once(engine):
    identities = [engine.create("sleep", "1000", Labels={"many": "yes"}) for _ in range(20)]
    connections = [Connection(engine.path) for _ in identities]
    for connection, identity in zip(connections, identities, strict=True):
        connection.request("POST", f"/containers/{identity}/start")
    assert [connection.getresponse().status for connection in connections] == [204] * 20
    listed = engine.ok("GET", "/containers/json?filters=" + "%7B%22label%22%3A%5B%22many%22%5D%7D")
    assert len({one["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] for one in listed}) == 20
    for connection, identity in zip(connections, identities, strict=True):
        connection.close()
        engine.ok("DELETE", f"/containers/{identity}?force=1")
    assert engine.ok("GET", "/containers/json?all=1") == []


def test_descriptors_come_back(engine):
    place = Path(f"/proc/{engine.process.pid}/fd")
    counts = []
    for _ in range(3):
        for command in (["true"], ["no-such-program"]):
            identity = engine.create(*command, OpenStdin=True)
            engine.call("POST", f"/containers/{identity}/start")
            engine.ok("POST", f"/containers/{identity}/wait")
            engine.ok("DELETE", f"/containers/{identity}?force=1")
        time.sleep(1.3)  # namespaces are let go of together, when nothing has happened for a while
        counts.append(len(list(place.iterdir())))
    assert counts[0] == counts[2]


@pytest.mark.needs("other-users")
def test_files_of_other_users_can_be_read_whatever_the_umask_is(tmp_path):
    before = os.umask(0o077)
    try:
        engine = Engine(tmp_path)
    finally:
        os.umask(before)
    identity = engine.run("cat", "/etc/hosts", "/etc/resolv.conf", User="1234:5678")
    assert engine.ok("POST", f"/containers/{identity}/wait")["StatusCode"] == 0
    engine.stop()
