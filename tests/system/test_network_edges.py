"""Networks on the real kernel: what containers must not reach, and what has to survive others' ends."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from container_runtime.kernel import namespaces
from container_runtime.network.manager import NetworkManager

pytestmark = pytest.mark.vm

ASK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.sendto(b"\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\6secret\\0\\0\\1\\0\\1", (sys.argv[1], 53))
print(socket.inet_ntoa(s.recv(2000)[-4:]))
"""
CONNECT = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
print(s.recv(100).decode())
"""
RESET = """
import socket, struct, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
s.sendall(b"x")
s.recv(1)  # it is through to the other side
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
"""
SPOOF = """
import socket, struct, sys
def send(source):
    udp = struct.pack("!4H", 5555, int(sys.argv[4]), 9, 0) + b"x"
    addresses = socket.inet_aton(source) + socket.inet_aton(sys.argv[3])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 29, 1, 0, 64, 17, 0) + addresses
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW).sendto(ip + udp, (sys.argv[3], 0))
send(sys.argv[1])
send(sys.argv[2])
"""


def with_manager(work):
    @asynccontextmanager
    async def managed():
        manager = await NetworkManager.start()
        try:
            yield manager
        finally:
            await manager.close()

    async def main():
        async with managed() as manager:
            return await asyncio.wait_for(work(manager), 30)  # a hang limit

    return asyncio.run(main())


async def run_in(sandbox, *command):
    done = await asyncio.to_thread(
        subprocess.run, ["nsenter", f"--net={sandbox.path}", *command], capture_output=True, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else done.returncode


async def python_in(sandbox, program, *arguments):
    return await run_in(sandbox, sys.executable, "-c", program, *(str(argument) for argument in arguments))


def add(manager, network, name, **wanted):
    sandbox = manager.open_sandbox(f"{name:0<64}")
    return sandbox, manager.connect(sandbox, network, names=[name], **wanted)


async def greet(_, writer):
    writer.write(b"hello")
    writer.close()


def server_in(sandbox):
    listener = namespaces.inside(sandbox.descriptor, lambda: socket.create_server(("0.0.0.0", 0)))
    return asyncio.start_server(greet, sock=listener), listener.getsockname()[1]


def own_address():
    """An address of the machine that is neither loopback nor an engine's."""
    output = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    found = [line.split()[3].partition("/")[0] for line in output.splitlines()]
    return next(address for address in found if not address.startswith(("127.", "198.18.", "198.19.")))


def test_names_are_told_to_their_own_network_only():
    async def work(manager):
        other = manager.create("other")
        stranger, _ = add(manager, manager.get("bridge"), "stranger")
        friend, _ = add(manager, other, "friend")
        _, secret = add(manager, other, "secret")
        return (
            await python_in(friend, ASK, other.gateway) == secret.address,
            await python_in(stranger, ASK, other.gateway),
        )

    assert with_manager(work) == (True, 1)


def test_nobody_sends_in_the_name_of_another_network():
    async def work(manager):
        liar, at_liar = add(manager, manager.get("bridge"), "liar")
        _, victim = add(manager, manager.create("other"), "victim")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind((manager.host_address(manager.get("bridge")), 0))
            receiver.settimeout(5)
            target = receiver.getsockname()
            await python_in(liar, SPOOF, victim.address, at_liar.address, *target)
            return receiver.recvfrom(10)[1][0] == at_liar.address  # sent second, and the first to come

    assert with_manager(work)


def test_the_gateway_keeps_its_hardware_address():
    """Containers remember it: if a new neighbour changed it, what they send there would be lost for seconds."""

    async def work(manager):
        network = manager.create("growing")
        listed = [await asyncio.to_thread(hardware_addresses, manager.backbone.namespace)]
        for name in "ab":
            add(manager, network, name)
            listed.append(await asyncio.to_thread(hardware_addresses, manager.backbone.namespace))
        return listed

    before, *after = with_manager(work)
    assert before
    assert after == [before, before]


def hardware_addresses(namespace):
    command = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{namespace}", "ip", "-o", "link", "show", "type", "bridge"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line.split()[1]: line.partition("link/ether ")[2].split()[0] for line in output.splitlines()}


def test_containers_of_a_chosen_subnet_reach_each_other():
    """Also where br_netfilter is loaded and shows packet rules what stays within a bridge."""

    async def work(manager):
        network = manager.create("mine", subnet="10.213.77.0/28")
        a, at_a = add(manager, network, "a")
        b, _ = add(manager, network, "b")
        starting, port = server_in(a)
        async with await starting:
            return await python_in(b, CONNECT, at_a.address, port)

    assert with_manager(work) == "hello"


def test_a_chosen_subnet_is_free_as_soon_as_its_network_is_gone():
    def route():
        command = ["ip", "route", "show", "10.213.77.0/28"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    async def work(manager):
        for _ in range(3):
            network = manager.create("mine", subnet="10.213.77.0/28")
            sandbox, endpoint = add(manager, network, "a", address="10.213.77.9")
            assert route()
            starting, port = server_in(sandbox)
            async with await starting:
                reader, writer = await asyncio.open_connection(endpoint.address, port)
                assert await reader.read(100) == b"hello"
                writer.close()
            manager.close_sandbox(sandbox.container_id)
            manager.remove("mine")
            assert not route()
        others = [manager.create(f"n{number}").subnet for number in range(70)]  # more than one block
        return [subnet for subnet in others if not subnet.startswith("198.1")], len(set(others))

    assert with_manager(work) == ([], 70)


def test_a_reset_connection_does_not_harm_the_next():
    async def work(manager):
        a, _ = add(manager, manager.get("bridge"), "a")
        release = asyncio.Event()

        async def wait(_, writer):
            writer.write(b"x")
            await release.wait()
            writer.close()

        address = await asyncio.to_thread(own_address)
        servers = [await asyncio.start_server(one, address, 0) for one in (wait, greet)]
        held, open_ = (server.sockets[0].getsockname()[1] for server in servers)
        greeting = []
        for _ in range(3):
            await python_in(a, RESET, address, held)
            greeting.append(await python_in(a, CONNECT, address, open_))
        release.set()
        for server in servers:
            server.close()
        return greeting

    assert with_manager(work) == ["hello"] * 3


def test_the_default_route_goes_to_the_network_that_is_left():
    async def work(manager):
        other = manager.create("other")
        a, _ = add(manager, manager.get("bridge"), "a")
        add(manager, other, "a")
        manager.disconnect(a.container_id, manager.get("bridge"))
        return (await run_in(a, "ip", "route", "show", "default")).split()[2] == other.gateway

    assert with_manager(work)


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft(8), to read the rules in its words")
def test_the_ruleset_is_what_its_module_says():
    from container_runtime.kernel import nftables

    async def work(manager):
        path = f"--net=/proc/{os.getpid()}/fd/{manager.backbone.namespace}"
        command = ["nsenter", path, "nft", "list", "ruleset"]
        return (await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)).stdout

    said = nftables.__doc__.partition("::\n\n")[2]
    assert with_manager(work).split() == said.split()


def test_what_a_container_s_bridge_is_protected_by_is_not_the_machine_s():
    settings = [*Path("/proc/sys/net/ipv4/conf").glob("*/rp_filter"), Path("/proc/sys/net/ipv4/ip_forward")]
    settings += Path("/proc/sys/net/bridge").glob("bridge-nf-call-iptables")
    before = {path: path.read_text() for path in settings if path.exists()}

    async def work(_):
        return {path: path.read_text() for path in before if path.exists()}

    during = with_manager(work)
    assert during == {path: before[path] for path in during}
