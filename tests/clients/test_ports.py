"""Published ports by docker's command, and UDP: what a container listens at is reached where docker says it is."""

import http.client
import json
import re
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.waiting import until

HANG = 60
"""Seconds; a hang limit, not a measurement."""

TCP = """
import socket
server = socket.create_server(("0.0.0.0", 80))
while True:
    connection, (host, _) = server.accept()
    data = b""
    while piece := connection.recv(65536):
        data += piece
    connection.sendall(f"{host} {len(data)}".encode())
    connection.close()
"""
UDP = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
while True:
    data, sender = server.recvfrom(65536)
    server.sendto(data.upper(), sender)
"""
ASK = """
import socket, sys
for host in sys.argv[2:]:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(float(sys.argv[1].split(":")[1]))
    try:
        client.sendto(b"hello", (host, int(sys.argv[1].split(":")[0])))
        data, sender = client.recvfrom(100)
        print(data.decode(), sender[0] == socket.gethostbyname(host))
    except OSError as error:
        print(type(error).__name__)
"""


def tcp(host, port, data=b"12345"):
    """What the service answers; nothing where nobody listens (yet)."""

    return until(lambda: try_tcp(host, port, data))


def try_tcp(host, port, data=b"12345"):
    try:
        with socket.create_connection((host, port), HANG) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(100).decode()
    except OSError:  # refused, reset, or reset in the middle
        return ""


def udp(host, port):
    """What is answered, and by whom; asked again, since datagrams to who does not listen yet are lost."""

    def attempt():
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            try:
                client.sendto(b"hello", (host, port))
                return client.recvfrom(100)
            except OSError:
                return None

    data, sender = until(attempt)
    return data, sender[0]


def inspect(docker, name):
    return json.loads(docker.ok("inspect", name))[0]


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def place(docker, name, port):
    """The first address and number that ``docker port`` tells."""
    host, _, number = docker.ok("port", name, port).splitlines()[0].rpartition(":")
    return host, int(number)


def test_a_tcp_port_at_a_chosen_place(docker, run):
    number = free_port()
    name = run("-p", f"127.0.0.1:{number}:80", "--expose", "99", "host", "python3", "-c", TCP)
    gateway = inspect(docker, name)["NetworkSettings"]["Gateway"]
    assert tcp("127.0.0.1", number) == f"{gateway} 5"
    assert tcp("127.0.0.1", number, bytes(3_000_000)) == f"{gateway} 3000000"
    assert docker.ok("port", name) == f"80/tcp -> 127.0.0.1:{number}"
    assert docker("port", name, "99")[0] == 1
    told = inspect(docker, name)
    assert told["NetworkSettings"]["Ports"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(number)}],
        "99/tcp": None,
    }
    assert told["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(number)}]}
    assert told["Config"]["ExposedPorts"] == {"80/tcp": {}, "99/tcp": {}}
    assert docker.ok("ps", "--format", "{{.Ports}}") == f"99/tcp, 127.0.0.1:{number}->80/tcp"
    for words, found in (
        (f"publish={number}", True),
        (f"publish={number}/udp", False),
        ("publish=80", False),
        ("expose=99", True),
        ("expose=75-85/tcp", True),
        ("expose=80/udp", False),
    ):
        assert (docker.ok("ps", "-q", "--no-trunc", "--filter", words) == name) == found
    assert "looking up for expose x" in docker("ps", "--filter", "expose=x")[2]


def test_a_udp_port_answers_from_where_it_was_asked(docker, run):
    name = run("-p", "127.0.0.1::53/udp", "-p", "127.0.0.7::53/udp", "host", "python3", "-c", UDP)
    first, second = [line.rpartition(":") for line in docker.ok("port", name, "53/udp").splitlines()]
    for host, _, number in (first, second):
        assert udp(host, int(number)) == (b"HELLO", host)


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="a machine without IPv6")
def test_ipv6_leads_to_the_same_services(docker, run):
    web = run("-p", "[::1]::80", "host", "python3", "-c", TCP)
    host, number = place(docker, web, "80")
    assert host == "[::1]"
    assert tcp("::1", number).endswith(" 5")
    names = run("-p", "53/udp", "host", "python3", "-c", UDP)
    both = docker.ok("port", names).splitlines()
    number = int(both[0].rpartition(":")[2])
    assert both == [f"53/udp -> 0.0.0.0:{number}", f"53/udp -> [::]:{number}"]
    assert udp("127.0.0.1", number) == (b"HELLO", "127.0.0.1")
    assert udp("::1", number) == (b"HELLO", "::1")


def test_all_exposed_ports_at_chosen_numbers_which_stay(docker, run):
    name = run("-P", "--expose", "80", "--expose", "53/udp", "host", "python3", "-c", TCP)
    before = docker.ok("port", name)
    numbers = [int(number) for number in re.findall(r"0\.0\.0\.0:(\d+)", before)]
    low, high = (int(word) for word in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert len(numbers) == 2
    assert all(low <= number <= high for number in numbers)
    assert tcp("127.0.0.1", place(docker, name, "80")[1]).endswith(" 5")
    docker.ok("stop", "-t", "0", name)
    assert docker.ok("port", name) == ""
    assert inspect(docker, name)["NetworkSettings"]["Ports"] == {}
    with socket.create_server(("127.0.0.1", place_of(before, "80"))):  # it is free meanwhile
        pass
    docker.ok("start", name)
    assert docker.ok("port", name) == before
    docker.ok("restart", "-t", "0", name)
    assert docker.ok("port", name) == before
    assert tcp("127.0.0.1", place_of(before, "80")).endswith(" 5")


def test_a_port_comes_back_with_the_restart_policy(docker, run):
    name = run(
        "--restart",
        "always",
        "-p",
        "127.0.0.1::80",
        "host",
        "python3",
        "-c",
        TCP.replace("connection.close()", "raise SystemExit(1)"),
    )
    number = place(docker, name, "80")[1]
    for _ in range(3):  # it ends after each answer
        assert tcp("127.0.0.1", number).endswith(" 5")
    assert inspect(docker, name)["RestartCount"] >= 2


def place_of(told, port):
    return int(re.search(rf"^{port}/\w+ -> \S+:(\d+)$", told, re.MULTILINE)[1])


def test_a_container_s_own_port_and_the_same_one_published(docker, run):
    """Where the machine reaches containers at loopback addresses, both are listeners of the engine."""
    number = free_port()
    other = TCP.replace("80", str(number))
    before = run("--expose", str(number), "host", "python3", "-c", other)
    name = run("-p", f"0.0.0.0:{number}:{number}", "host", "python3", "-c", other)
    after = run("--expose", str(number), "host", "sleep", "1000")
    assert tcp("127.0.0.1", number).endswith(" 5")
    for one in (before, name):
        assert tcp(*own_place(docker, one, number)).endswith(" 5")
    places = [own_place(docker, one, number) for one in (before, name, after)]
    assert len({host for host, _ in places}) == 3
    assert {port for _, port in places} == {number}


def own_place(docker, name, port):
    """Where a test process reaches a container's port, published or not."""
    connection = http.client.HTTPConnection("engine")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(docker.command[2].removeprefix("unix://"))
    connection.request("GET", f"/x-pytest-containers/containers/{name}/ports/{port}")
    told = json.load(connection.getresponse())
    connection.close()
    return told["Host"], told["Port"]


def test_who_comes_second_is_told_and_may_come_later(docker, run):
    number = free_port()
    first = run("-p", f"127.0.0.1:{number}:80", "host", "sleep", "1000")
    made = docker.ok("create", "--name", "second", "-p", f"127.0.0.1:{number}:80", "host", "sleep", "1000")
    try:
        code, _, err = docker("start", "second")
        assert code == 1
        assert re.search(
            "failed to set up container networking: driver failed programming external connectivity on endpoint second "
            rf"\([0-9a-f]{{64}}\): Bind for 127.0.0.1:{number} failed: port is already allocated",
            err,
        )
        state = inspect(docker, made)["State"]
        assert (state["Status"], state["ExitCode"]) == ("created", 128)
        assert state["Error"].endswith("port is already allocated")
        docker.ok("rm", "-f", first)
        docker.ok("start", "second")
    finally:
        docker("rm", "-f", "second")


def test_a_port_of_another_program(docker):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        number = holder.getsockname()[1]
        code, _, err = docker("run", "--rm", "-p", f"127.0.0.1:{number}:80", "host", "true")
    assert code == 125
    assert re.search(rf"failed to bind host port for 127.0.0.1:{number}:[0-9.]+:80/tcp: address already in use", err)


@pytest.mark.needs("ordinary")
def test_low_ports_are_for_root(docker):
    code, _, err = docker("run", "--rm", "-p", "127.0.0.1:79:80", "host", "true")
    assert code == 125
    assert "not permitted: ports below" in err
    assert "sudo sysctl net.ipv4.ip_unprivileged_port_start=79" in err


def test_one_of_a_range(docker, run):
    low = free_port()
    with socket.create_server(("127.0.0.1", low)):
        name = run("-p", f"127.0.0.1:{low}-{low + 20}:80", "host", "sleep", "1000")
        assert low < place(docker, name, "80")[1] <= low + 20


def test_networks_that_publish_nothing(docker, run):
    code, _, err = docker("run", "--rm", "--network", "host", "-p", "127.0.0.1:8080:80", "host", "true")
    assert (code, err) == (0, "WARNING: Published ports are discarded when using host network mode\n")
    name = run("--network", "none", "-p", "127.0.0.1::80", "host", "sleep", "1000")
    assert docker.ok("port", name) == ""
    code, _, err = docker("run", "--rm", "--network", f"container:{name}", "-p", "80:80", "host", "true")
    assert code == 125
    assert "conflicting options: port publishing and the container type network mode" in err


def test_ports_follow_the_networks(docker, run):
    """Nothing is published into an internal network; what is connected later is reached then."""
    docker.ok("network", "create", "--internal", "closed")
    try:
        name = run("--network", "closed", "-p", "127.0.0.1::80", "host", "python3", "-c", TCP)
        assert docker.ok("port", name) == ""
        docker.ok("network", "connect", "bridge", name)
        assert tcp(*place(docker, name, "80")).endswith(" 5")
        docker.ok("network", "disconnect", "bridge", name)
        assert docker.ok("port", name) == ""
        docker.ok("rm", "-f", name)
    finally:
        docker("network", "rm", "closed")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--expose", "80/foo"], "invalid proto"),
        (["-p", "80/sctp"], "protocol not supported"),
        (["-p", "192.0.2.77:8080:80"], "cannot assign requested address"),
    ],
)
def test_what_makes_no_sense(docker, words, told):
    code, _, err = docker("run", "--rm", *words, "host", "true")
    assert code == 125
    assert told in err
    assert docker.ok("ps", "-aq") == ""


# --- from a container to the machine and beyond -----------------------------------------------------------------------


def own_address():
    """An address of the machine that is neither loopback nor an engine's."""
    output = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    found = [line.split()[3].partition("/")[0] for line in output.splitlines()]
    return next(address for address in found if not address.startswith(("127.", "198.18.", "198.19.")))


@contextmanager
def answering(host):
    """A service of the machine, in a process of its own."""
    program = UDP.replace('("0.0.0.0", 53)', f'("{host}", 0)').replace(
        "while True", "print(server.getsockname()[1], flush=True)\nwhile True"
    )
    with subprocess.Popen(["python3", "-c", program], stdout=subprocess.PIPE, text=True) as service:
        try:
            yield int(service.stdout.readline())
        finally:
            service.kill()


def test_udp_to_the_machine_and_to_what_is_beyond(docker):
    """An address of the machine's that is not an engine's stands for the outside: it is sent to in the same way."""
    own = own_address()
    with answering("0.0.0.0") as number:
        words = ["host", "python3", "-c", ASK, f"{number}:20", "host.docker.internal", own, own]
        assert docker.ok("run", "--rm", *words) == "HELLO True\n" * 2 + "HELLO True"


def test_an_internal_network_reaches_nothing_even_with_a_route(docker):
    """A container that may change its routes does so, and finds neither the machine nor the outside."""
    own = own_address()
    docker.ok("network", "create", "--internal", "closed")
    try:
        gateway = docker.ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "closed")
        bridge = docker.ok("run", "--rm", "host", "grep", "host.docker.internal", "/etc/hosts").split()[0]
        with answering("0.0.0.0") as number:
            script = f'ip route add default via {gateway} && exec python3 -c "$0" {number}:1 {bridge} {own}'
            words = ["--network", "closed", "--cap-add", "NET_ADMIN", "host", "sh", "-c", script, ASK]
            found = docker.ok("run", "--rm", *words).splitlines()
        assert len(found) == 2
        assert all(word in {"TimeoutError", "OSError"} for word in found)
    finally:
        docker("network", "rm", "closed")
