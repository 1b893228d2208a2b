"""An engine at the other end of ssh; here a script takes ssh's place, and runs what it is given on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_containers.client import Client, EngineUnreachable
from pytest_containers.client.address import parse_address
from pytest_containers.client.ssh import host_name, words

if TYPE_CHECKING:
    from pathlib import Path

SSH = """#!/bin/sh
echo "$$ $*" >>"$LOG"
[ "$1" = -G ] && { echo "user me"; echo "hostname 10.1.2.3"; exit; }
for last; do :; done
exec sh -c "$last"
"""
DOCKER = """#!{python} -S
import os, socket, sys, threading
engine = socket.socket(socket.AF_UNIX)
engine.connect({path!r})
def copy_in():
    while data := os.read(0, 65536):
        engine.sendall(data)
    engine.shutdown(socket.SHUT_WR)
threading.Thread(target=copy_in, daemon=True).start()
while data := engine.recv(65536):
    os.write(1, data)
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wire: Any) -> Path:
    """The programs in place; what ssh was given, a line a call, after its process's number."""
    place = tmp_path / "bin"
    place.mkdir()
    for name, text in (("ssh", SSH), ("docker", DOCKER.format(python=sys.executable, path=wire.url[7:]))):
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def answer(body: bytes) -> Any:
    def script(connection: Any, _request: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        return True

    return script


def test_one_process_a_connection_which_ends_with_it(log: Path, wire: Any) -> None:
    wire.script = answer(b'{"Version": "1"}')
    with Client("ssh://me@there:2200", 30) as client:
        assert client.system.version() == client.system.version() == {"Version": "1"}
    assert wire.connections == 1
    ((pid, said),) = [line.split(" ", 1) for line in log.read_text().splitlines()]
    assert said == "-o ConnectTimeout=30 -T -l me -p 2200 -- there docker system dial-stdio"
    with pytest.raises(ProcessLookupError):  # neither running nor a zombie
        os.kill(int(pid), 0)


def test_socket_there_and_words_that_a_shell_would_take_apart() -> None:
    assert words(parse_address("ssh://there/a%20b;c"))[-2:] == [
        "there",
        "docker '--host=unix:///a%20b;c' system dial-stdio",
    ]


def test_what_ssh_says_is_the_reason(log: Path, tmp_path: Path) -> None:
    del log
    (tmp_path / "bin/ssh").write_text("#!/bin/sh\necho 'ssh: Could not resolve hostname moon' >&2\nexit 255\n")
    with (
        Client("ssh://moon", 30) as client,
        pytest.raises(
            EngineUnreachable, match=r"^no engine answers at ssh://moon: ssh: Could not resolve hostname moon$"
        ),
    ):
        client.system.version()


def test_machine_behind_a_name_of_sshs_configuration(log: Path) -> None:
    assert host_name(parse_address("ssh://alias:23")) == "10.1.2.3"
    assert "-G -p 23 -- alias" in log.read_text()


def test_no_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host_name(parse_address("ssh://there")) == "there"
    with (
        Client("ssh://there", 30) as client,
        pytest.raises(EngineUnreachable, match="no engine answers at ssh://there: the program ssh is not installed"),
    ):
        client.system.version()


def test_nothing_more_is_imported_without_it() -> None:
    program = "import sys, pytest_containers.client.http as http; http.Transport('unix:///x'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", program], check=True, capture_output=True, text=True)
    assert not {"ssl", "subprocess"} & set(done.stdout.split())
