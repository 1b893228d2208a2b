"""The outside of an ordinary user's containers by pasta and slirp4netns: the machine's own address stands for it."""

import os
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from tests.clients.conftest import serving
from tests.leftovers import observe
from tests.waiting import until_gone

pytestmark = [
    pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command (tests/run installs it)"),
    pytest.mark.needs("ordinary"),
]

HANG = 30
ASK = """
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
def ask(kind, question):
    with socket.socket(socket.AF_INET, kind) as asking:
        asking.settimeout(float(sys.argv[3]))
        try:
            asking.connect((address, port))
            asking.send(question)
            return asking.recv(99).decode()
        except OSError as error:
            return type(error).__name__
print(ask(socket.SOCK_STREAM, b"by TCP"), ask(socket.SOCK_DGRAM, b"by UDP"), sep=", ")
"""


def outer_address():
    """The machine's address towards the outside; nothing is sent there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("the machine has no default route")
        return probe.getsockname()[0]


@pytest.fixture(scope="module")
def server():
    """Answers questions by TCP and UDP at one port of the machine's own address."""
    address = outer_address()
    with socket.create_server((address, 0)) as streams, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(streams.getsockname())

        def answer_streams():
            while True:
                try:
                    connection, _ = streams.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"heard " + connection.recv(99))

        def answer_datagrams():
            while (question := datagrams.recvfrom(99))[0] != b"end":
                datagrams.sendto(b"heard " + question[0], question[1])

        threads = [threading.Thread(target=one) for one in (answer_streams, answer_datagrams)]
        for thread in threads:
            thread.start()
        yield streams.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", datagrams.getsockname())
        streams.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(HANG)


@pytest.fixture(scope="module", params=["pasta", "slirp4netns"])
def docker(request, tmp_path_factory):
    before = observe()
    with serving(tmp_path_factory.mktemp("engine"), PYTEST_CONTAINERS_EGRESS=request.param) as docker:
        assert [line for line in observe() - before if f"{request.param} --" in line]
        yield docker
    until_gone(lambda: [line for line in observe() - before if f"{request.param} --" in line])


@pytest.mark.needs("tun")
def test_both_protocols_get_out(docker, server):
    address, port = server
    out = docker.ok("run", "--rm", "host", "python3", "-c", ASK, address, str(port), str(HANG))
    assert out == "heard by TCP, heard by UDP"


@pytest.mark.needs("tun")
def test_an_internal_network_stays_internal(docker, server):
    address, port = server
    docker.ok("network", "create", "--internal", "inner")
    out = docker.ok("run", "--rm", "--network", "inner", "host", "python3", "-c", ASK, address, str(port), "1")
    docker.ok("network", "rm", "inner")
    assert "heard" not in out


@pytest.mark.needs("tun")
def test_the_machine_is_reached_by_its_name_and_its_loopback_is_not(docker):
    with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.create_server(("127.0.0.1", 0)) as loopback:
        ports = [str(one.getsockname()[1]) for one in (everywhere, loopback)]
        asking = docker.popen("run", "--rm", "host", "python3", "-c", ASK, "host.docker.internal", ports[0], "5")
        everywhere.settimeout(HANG)
        connection, _ = everywhere.accept()
        connection.sendall(b"here")
        connection.close()
        assert b"here" in asking.communicate(timeout=HANG)[0]
        assert (
            docker.ok("run", "--rm", "host", "python3", "-c", ASK, "host.docker.internal", ports[1], "1")[:5] != "heard"
        )
        loopback.setblocking(False)
        with pytest.raises(BlockingIOError):
            loopback.accept()


@pytest.mark.parametrize("name", ["pasta", "slirp4netns", "other"])
def test_a_program_that_is_not_there_is_one_clear_line(tmp_path, name):
    command = [sys.executable, "-P", "-m", "container_runtime", "serve", "--socket", str(tmp_path / "docker.sock")]
    environment = {**os.environ, "PATH": "/nonexistent", "PYTEST_CONTAINERS_EGRESS": name}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "PYTEST_CONTAINERS_EGRESS" in done.stderr
    assert (
        "must be relay, pasta or slirp4netns" if name == "other" else f"{name}, which is not installed"
    ) in done.stderr
