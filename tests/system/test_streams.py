"""Streams of containers and execs on the real kernel, over HTTP."""

import base64
import hashlib
import json
import os
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection

from tests.system.test_engine import HANG, started

UPGRADE = ("Connection: Upgrade", "Upgrade: tcp")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with started(tmp_path_factory.mktemp("engine")) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left(engine):
    yield
    for one in engine.ok("GET", "/containers/json?all=1"):
        engine.ok("DELETE", f"/containers/{one['Id']}?force=1")


def attach(engine, identity, query="stream=1&stdin=1&stdout=1&stderr=1"):
    connection, head, rest = engine.raw(f"/containers/{identity}/attach?{query}", b"", *UPGRADE)
    assert head.startswith(b"HTTP/1.1 101 UPGRADED"), head + rest
    return connection, rest


def until(connection, text, data=b""):
    while text not in data:
        more = connection.recv(1 << 16)
        assert more, data
        data += more
    return data


def receive_all(connection, data=b""):
    """To the end, in linear time: it may be much."""
    parts = [data]
    while more := connection.recv(1 << 20):
        parts.append(more)
    return b"".join(parts)


def texts(data):
    """Each stream's bytes."""
    found, position = {1: [], 2: []}, 0
    while position < len(data):
        stream, length = struct.unpack_from(">B3xI", data, position)
        found[stream].append(data[position + 8 : position + 8 + length])
        position += 8 + length
    return {stream: b"".join(parts) for stream, parts in found.items()}


def wait(engine, identity):
    return engine.ok("POST", f"/containers/{identity}/wait")["StatusCode"]


def exec_of(engine, identity, *command, start=b"{}", **body):
    made = engine.ok(
        "POST",
        f"/containers/{identity}/exec",
        {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **body},
    )["Id"]
    connection, head, rest = engine.raw(f"/exec/{made}/start", start, *UPGRADE)
    return made, connection, head, rest


# --- nothing is lost, nobody waits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tty", [False, True])
def test_a_burst_is_whole_although_the_container_ends_at_once(engine, tty):
    identity = engine.create("seq", "1", "10000", Tty=tty)
    connection, rest = attach(engine, identity, "stream=1&stdout=1&stderr=1")
    engine.ok("POST", f"/containers/{identity}/start")
    expected = b"".join(b"%d%s\n" % (number, b"\r" * tty) for number in range(1, 10001))
    with connection:
        got = receive_all(connection, rest)
    assert (got if tty else texts(got)[1]) == expected
    _, logged = engine.call("GET", f"/containers/{identity}/logs?stdout=1")
    assert (logged if tty else texts(logged)[1]) == expected


def test_an_attached_client_of_a_container_that_removes_itself(engine):
    for _ in range(5):
        identity = engine.create("sh", "-c", "seq 1 3000; echo end >&2", HostConfig={"AutoRemove": True})
        connection, rest = attach(engine, identity, "stream=1&stdout=1&stderr=1")
        engine.ok("POST", f"/containers/{identity}/start")
        with connection:
            found = texts(receive_all(connection, rest))
        assert found[1].count(b"\n") == 3000
        assert found[2] == b"end\n"


def test_a_reader_that_stops_stalls_nobody(engine):
    identity = engine.create("sh", "-c", "head -c 60000000 /dev/zero; echo done >&2")
    slow, _ = attach(engine, identity, "stream=1&stdout=1")
    quick, rest = attach(engine, identity, "stream=1&stderr=1")
    engine.ok("POST", f"/containers/{identity}/start")
    with quick:
        assert texts(receive_all(quick, rest))[2] == b"done\n"
    assert wait(engine, identity) == 0
    with slow:  # and what it has not read yet is still there for it
        assert len(texts(receive_all(slow))[1]) == 60_000_000


def test_logs_are_bounded_and_followed_over_rotation(engine):
    config = {"Type": "json-file", "Config": {"max-size": "64k", "max-file": "3"}}
    identity = engine.create("sh", "-c", "read x; seq 1 100000", OpenStdin=True, HostConfig={"LogConfig": config})
    engine.ok("POST", f"/containers/{identity}/start")
    reader = {}

    def follow():
        reader["data"] = engine.call("GET", f"/containers/{identity}/logs?stdout=1&follow=1")[1]

    thread = threading.Thread(target=follow)
    thread.start()
    typing, _ = attach(engine, identity)
    with typing:
        typing.sendall(b"go\n")
        thread.join(HANG)
    assert texts(reader["data"])[1] == b"".join(b"%d\n" % number for number in range(1, 100_001))
    kept = texts(engine.call("GET", f"/containers/{identity}/logs?stdout=1")[1])[1]
    assert kept.endswith(b"100000\n")
    assert len(kept) < 3 * 65536
    details = engine.ok("GET", f"/containers/{identity}/json")
    assert details["HostConfig"]["LogConfig"] == config
    if os.geteuid() == 0:
        assert Path(details["LogPath"]).stat().st_size <= 65536


def test_a_driver_without_logs(engine):
    identity = engine.create("echo", "hi", HostConfig={"LogConfig": {"Type": "none", "Config": {}}})
    connection, rest = attach(engine, identity)
    engine.ok("POST", f"/containers/{identity}/start")
    with connection:
        assert texts(receive_all(connection, rest))[1] == b"hi\n"
    status, answer = engine.call("GET", f"/containers/{identity}/logs?stdout=1")
    assert (status, answer["message"]) == (501, "configured logging driver does not support reading")


@pytest.mark.parametrize(
    ("config", "status"),
    [({"Type": "syslog"}, 501), ({"Type": "no-such"}, 400), ({"Config": {"max-size": "x"}}, 400), ({"Type": 5}, 400)],
)
def test_log_drivers_that_are_refused(engine, config, status):
    assert (
        engine.call("POST", "/containers/create", {"Image": "host", "HostConfig": {"LogConfig": config}})[0] == status
    )


# --- attaching --------------------------------------------------------------------------------------------------------


def test_input_ends_the_attachment_and_not_the_container(engine):
    identity = engine.run("cat", OpenStdin=True)
    first, rest = attach(engine, identity)
    with first:
        first.sendall(b"one\n")
        until(first, b"one\n", rest)
        first.shutdown(socket.SHUT_WR)
        receive_all(first)
    second, rest = attach(engine, identity)
    with second:
        second.sendall(b"two\n")
        until(second, b"two\n", rest)
    assert engine.ok("GET", f"/containers/{identity}/json")["State"]["Running"]


def test_input_that_ends_once_ends_the_container(engine):
    identity = engine.create("wc", "-c", OpenStdin=True, StdinOnce=True)
    connection, rest = attach(engine, identity)
    with connection:
        connection.sendall(b"x" * 100_000)  # before there is anybody to read it
        connection.shutdown(socket.SHUT_WR)
        engine.ok("POST", f"/containers/{identity}/start")
        assert texts(receive_all(connection, rest))[1] == b"100000\n"
    assert wait(engine, identity) == 0


def test_input_that_was_not_opened_is_ignored(engine):
    identity = engine.create("sh", "-c", "cat; echo end")
    connection, rest = attach(engine, identity)
    with connection:
        connection.sendall(b"nobody reads this\n")
        connection.shutdown(socket.SHUT_WR)
        engine.ok("POST", f"/containers/{identity}/start")
        assert texts(receive_all(connection, rest))[1] == b"end\n"


def test_several_clients_see_all_and_write_in_turns(engine):
    identity = engine.run("cat", OpenStdin=True)
    clients = [attach(engine, identity) for _ in range(4)]
    for number, (connection, _) in enumerate(clients):
        connection.sendall(b"%d\n" % number)
    for connection, rest in clients:
        data = rest
        while len(texts(data)[1]) < 8:
            data += connection.recv(4096)
        assert sorted(texts(data)[1].split()) == [b"0", b"1", b"2", b"3"]
        connection.close()


def test_an_ended_container_waits_for_its_next_start(engine):
    identity = engine.run("echo", "again")
    wait(engine, identity)
    connection, rest = attach(engine, identity, "stream=1&stdout=1")
    engine.ok("POST", f"/containers/{identity}/start")
    with connection:
        assert texts(receive_all(connection, rest))[1] == b"again\n"
    connection, rest = attach(engine, identity, "logs=1&stdout=1")
    with connection:
        assert texts(receive_all(connection, rest))[1] == b"again\nagain\n"


def test_versions_and_types(engine):
    identity = engine.run("true")
    wait(engine, identity)
    for path, headers, line in (
        ("/v1.41", UPGRADE, b"Content-Type: application/vnd.docker.raw-stream"),
        ("/v1.42", UPGRADE, b"Content-Type: application/vnd.docker.multiplexed-stream"),
        ("", (), b"HTTP/1.1 200 OK"),
    ):
        connection, head, _ = engine.raw(f"{path}/containers/{identity}/attach?logs=1&stdout=1", b"", *headers)
        connection.close()
        assert line in head


def test_refusals(engine):
    identity = engine.create("sleep", "1000", OpenStdin=True)
    assert engine.call("POST", f"/containers/{identity}/attach?detachKeys=ctrl-1")[0] == 400
    assert engine.call("POST", f"/containers/{identity}/resize?h=1&w=1")[0] == 409
    engine.ok("POST", f"/containers/{identity}/start")
    assert engine.call("POST", f"/containers/{identity}/resize?h=x&w=1")[0] == 400
    assert engine.call("POST", f"/containers/{identity}/resize?h=1")[0] == 400
    assert engine.call("POST", f"/containers/{identity}/resize?h=-1&w=1")[0] == 400
    assert engine.call("POST", f"/containers/{identity}/resize?h=10&w=10")[0] == 200
    assert engine.call("POST", "/containers/none/attach")[0] == 404


def test_clients_that_vanish_leave_nothing(engine):
    identity = engine.run("sleep", "1000", OpenStdin=True)

    def descriptors():
        return sum(1 for _ in Path(f"/proc/{engine.process.pid}/fd").iterdir())

    before = descriptors()
    for _ in range(20):
        attach(engine, identity)[0].close()
        exec_of(engine, identity, "sleep", "0.01", AttachStdin=True)[1].close()
    end = time.monotonic() + HANG
    while descriptors() > before + 1 and time.monotonic() < end:
        time.sleep(0.01)  # nobody announces that the engine has closed a descriptor
    assert descriptors() <= before + 1  # a spare may have come


def test_websocket(engine):
    identity = engine.create("sh", "-c", "read line; echo got $line; echo err >&2", OpenStdin=True)
    key = base64.b64encode(os.urandom(16)).decode()
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(HANG)
    connection.connect(str(engine.path))
    with connection:
        head = [
            f"GET /containers/{identity}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1",
            *("Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
            f"Sec-WebSocket-Key: {key}\r\n\r\n",
        ]
        connection.sendall("\r\n".join(head).encode())
        data = until(connection, b"\r\n\r\n")
        assert data.startswith(b"HTTP/1.1 101 ")
        digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        assert base64.b64encode(digest) in data
        engine.ok("POST", f"/containers/{identity}/start")
        client, text = Frames(ConnectionType.CLIENT), b""
        connection.sendall(client.send(BytesMessage(data=b"hello\n")))
        more, closed = data.partition(b"\r\n\r\n")[2], False
        while not closed:
            client.receive_data(more or connection.recv(4096) or None)
            more = b""
            for event in client.events():
                text += bytes(event.data) if isinstance(event, BytesMessage) else b""
                closed |= isinstance(event, CloseConnection)
    assert sorted(text.splitlines()) == [b"err", b"got hello"]
    assert engine.call("GET", f"/containers/{identity}/attach/ws")[0] == 400


# --- terminals --------------------------------------------------------------------------------------------------------


def test_terminal_of_a_container(engine):
    script = "tty; stty size; test -c /dev/console && stat -c %t:%T /dev/console; ls /dev/pts; echo x >/dev/console"
    identity = engine.run("sh", "-c", script, Tty=True, HostConfig={"ConsoleSize": [33, 44]})
    assert wait(engine, identity) == 0
    _, text = engine.call("GET", f"/containers/{identity}/logs?stdout=1")
    assert text.split() == [b"/dev/pts/0", b"33", b"44", b"88:0", b"0", b"ptmx", b"x"]  # 0x88 is 136, the pts


@pytest.mark.needs("other-users")
def test_terminal_of_another_user(engine):
    identity = engine.run("sh", "-c", "stat -c %u $(tty); echo ok >/dev/stderr", Tty=True, User="1")
    assert wait(engine, identity) == 0
    assert engine.call("GET", f"/containers/{identity}/logs?stdout=1")[1] == b"1\r\nok\r\n"


@pytest.mark.needs("other-users")
def test_another_users_pipes_can_be_opened_again(engine):
    identity = engine.run("sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr", User="1")
    assert wait(engine, identity) == 0
    assert texts(engine.call("GET", f"/containers/{identity}/logs?stdout=1&stderr=1")[1]) == {1: b"out\n", 2: b"err\n"}


def test_terminal_where_the_container_put_something_else(engine, tmp_path):
    (tmp_path / "ptmx").write_text("")
    binds = {"Binds": [f"{tmp_path}:/dev/pts"]}
    identity = engine.create("true", Tty=True, HostConfig=binds)
    status, answer = engine.call("POST", f"/containers/{identity}/start")
    assert (status, "/dev/pts/ptmx" in answer["message"]) == (500, True)
    identity = engine.run("sleep", "1000", HostConfig=binds)
    made, connection, _, rest = exec_of(engine, identity, "true", Tty=True, start=b'{"Tty": true}')
    with connection:
        assert b"/dev/pts/ptmx" in receive_all(connection, rest)
    assert engine.ok("GET", f"/exec/{made}/json")["ExitCode"] == 128


def test_detach_keys(engine):
    identity = engine.run("cat", Tty=True, OpenStdin=True)
    connection, rest = attach(engine, identity)
    with connection:
        connection.sendall(b"a\x10")
        connection.sendall(b"b\n")
        until(connection, b"a^Pb\r\n", rest)
        connection.sendall(b"\x10")
        connection.sendall(b"\x11")
        receive_all(connection)
    assert engine.ok("GET", f"/containers/{identity}/json")["State"]["Running"]


# --- execs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tty", "start", "expected"),
    [
        (False, False, [(1, b"out\n"), (2, b"err\n")]),
        (False, True, b"out\n"),  # frames were not asked for, so stderr cannot be told apart
        (True, False, [(1, b"out\r\nerr\r\n")]),
        (True, True, b"out\r\nerr\r\n"),
    ],
)
def test_terminal_and_frames_of_an_exec(engine, tty, start, expected):
    identity = engine.run("sleep", "1000")
    script = "echo out; sleep 0.05; echo err >&2"
    _, connection, _, rest = exec_of(
        engine, identity, "sh", "-c", script, Tty=tty, start=json.dumps({"Tty": start}).encode()
    )
    with connection:
        data = receive_all(connection, rest)
    if start:
        assert data == expected
    else:
        assert {key: value for key, value in texts(data).items() if value} == dict(expected)


def test_exec_echoes_64_megabytes(engine):
    identity = engine.run("sleep", "1000")
    made, connection, _, rest = exec_of(engine, identity, "cat", AttachStdin=True)
    data = os.urandom(1 << 20) * 64

    def send():
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    with connection:
        got = texts(receive_all(connection, rest))[1]
        thread.join(HANG)
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    assert engine.ok("GET", f"/exec/{made}/json")["ExitCode"] == 0


def test_what_was_not_attached_is_not_sent(engine):
    identity = engine.run("sleep", "1000")
    _, connection, _, rest = exec_of(engine, identity, "sh", "-c", "echo o; echo e >&2", AttachStdout=False)
    with connection:
        assert texts(receive_all(connection, rest)) == {1: b"", 2: b"e\n"}


def test_life_of_an_exec(engine):
    identity = engine.run("sleep", "1000")
    create = f"/containers/{identity}/exec"
    made = engine.ok("POST", create, {"Cmd": ["sh", "-c", "exit 3"], "DetachKeys": "ctrl-a,b"})["Id"]
    before = engine.ok("GET", f"/exec/{made}/json")
    assert (before["Running"], before["ExitCode"], before["Pid"], before["DetachKeys"]) == (False, None, 0, "AWI=")
    assert engine.call("POST", f"/exec/{made}/start", {"Detach": True})[0] == 200
    while (after := engine.ok("GET", f"/exec/{made}/json"))["Running"]:
        pass
    assert (after["ExitCode"], after["Pid"] > 0) == (3, True)
    status, answer = engine.call("POST", f"/exec/{made}/start", {"Detach": True})
    assert (status, answer["message"]) == (409, f"exec command {made} has already run")
    assert engine.call("POST", f"/exec/{made}/resize?h=1&w=1")[0] == 404
    assert engine.call("POST", create, {"Cmd": ["true"], "DetachKeys": "ctrl-1"})[0] == 400
    assert engine.call("POST", create, {"Cmd": ["true"], "ConsoleSize": [1]})[0] == 400
    never, long = (engine.ok("POST", create, {"Cmd": ["sleep", "1000"]})["Id"] for _ in "12")
    engine.ok("POST", f"/exec/{long}/start", {"Detach": True})
    assert engine.ok("GET", f"/exec/{long}/json")["Running"]
    status, answer = engine.call("POST", f"/exec/{long}/start", {"Detach": True})
    assert (status, answer["message"]) == (409, f"exec command {long} is already running")
    assert engine.call("POST", f"/exec/{long}/resize?h=1&w=1")[0] == 200
    engine.ok("POST", f"/containers/{identity}/kill")
    assert engine.call("GET", f"/exec/{never}/json")[0] == 404
    assert engine.ok("GET", f"/exec/{long}/json")["ExitCode"] == 137
    engine.ok("DELETE", f"/containers/{identity}")
    assert engine.call("GET", f"/exec/{long}/json")[0] == 404


def test_exec_of_another_size_place_and_user(engine):
    identity = engine.run("sleep", "1000", Env=["A=1", "B=2"])
    _, connection, _, rest = exec_of(
        engine, identity, "sh", "-c", "stty size; pwd; echo $A $B $TERM", Tty=True, Env=["B=3"], WorkingDir="/etc",
        ConsoleSize=[11, 22], start=b'{"Tty": true, "ConsoleSize": [30, 40]}',
    )  # fmt: skip
    with connection:
        assert receive_all(connection, rest) == b"30 40\r\n/etc\r\n1 3 xterm\r\n"


# --- init -------------------------------------------------------------------------------------------------------------

ORPHANS = "(sleep 0.05 & sleep 0.1 &) ; sleep 0.5; ps -o pid=,ppid=,stat=,comm= -e"


def init(engine, script, **body):
    identity = engine.run("sh", "-c", script, HostConfig={"Init": True}, **body)
    return identity, wait(engine, identity)


def logs(engine, identity):
    return texts(engine.call("GET", f"/containers/{identity}/logs?stdout=1&stderr=1")[1])[1].decode()


def test_init_reaps_orphans(engine):
    identity, code = init(engine, ORPHANS)
    assert code == 0
    rows = [line.split() for line in logs(engine, identity).splitlines()]
    assert rows[0][:2] + rows[0][3:] == ["1", "0", "docker-init"]
    assert [row[3] for row in rows[1:]] == ["sh", "ps"]
    assert not [row for row in rows if row[2].startswith("Z")]


@pytest.mark.parametrize(("script", "code"), [("exit 9", 9), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_init_ends_as_the_program_did(engine, script, code):
    assert init(engine, script)[1] == code


def test_init_passes_signals_on(engine):
    identity = engine.create(
        "sh", "-c", "trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.05; done", HostConfig={"Init": True}
    )
    connection, rest = attach(engine, identity, "stream=1&stdout=1")
    engine.ok("POST", f"/containers/{identity}/start")
    with connection:
        until(connection, b"ready\n", rest)
        engine.ok("POST", f"/containers/{identity}/kill?signal=USR1")
        assert b"got\n" in receive_all(connection)
    assert wait(engine, identity) == 3


def test_a_program_that_init_does_not_find(engine):
    identity = engine.create("no-such-program", HostConfig={"Init": True})
    status, answer = engine.call("POST", f"/containers/{identity}/start")
    assert (status, "executable file not found" in answer["message"]) == (400, True)
    assert engine.ok("GET", f"/containers/{identity}/json")["State"]["ExitCode"] == 127


def test_init_has_the_containers_rights_and_shows_nothing(engine):
    script = (
        "for f in CapBnd CapEff NoNewPrivs Seccomp Uid; do "
        "grep -h ^$f: /proc/1/status /proc/self/status | uniq | wc -l; done; "
        "tr '\\0' ' ' </proc/1/cmdline; echo; "
        "for f in mem environ; do cat /proc/1/$f; done 2>&1 | grep -c denied; readlink /proc/1/exe || echo no exe"
    )
    identity, code = init(engine, script)
    assert code == 0
    lines = logs(engine, identity).splitlines()
    assert lines[:5] == ["1"] * 5
    assert lines[5].startswith("/sbin/docker-init -- sh -c for f in CapBnd")
    assert lines[6:] == ["2", "no exe"]
