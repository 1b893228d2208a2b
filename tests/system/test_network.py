"""Networks on the real kernel, without containers: processes in the sandboxes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from container_runtime.errors import Forbidden, InvalidParameter
from container_runtime.kernel import namespaces
from container_runtime.network.manager import NetworkManager

pytestmark = pytest.mark.vm

CLIENT = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
print(s.recv(100).decode(), end="")
"""
RESOLVE = """
import socket, struct, sys
for name in sys.argv[2:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    s.sendto(struct.pack("!6H", 7, 256, 1, 0, 0, 0) + labels + b"\\0" + struct.pack("!2H", 1, 1), (sys.argv[1], 53))
    answer = s.recv(2000)
    print(name, answer[3] & 15, socket.inet_ntoa(answer[-4:]) if answer[7] else "-")
"""


@asynccontextmanager
async def managed():
    manager = await NetworkManager.start()
    try:
        yield manager
    finally:
        await manager.close()


def run(work):
    async def main():
        async with managed() as manager:
            return await asyncio.wait_for(work(manager), 30)  # a hang limit

    return asyncio.run(main())


async def inside(sandbox, program, *args):
    """Run a Python program in a sandbox; its output, or its exit code where it failed."""
    command = ["nsenter", f"--net={sandbox.path}", sys.executable, "-c", program, *args]
    result = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else result.returncode


def serve(text, sandbox=None, address="0.0.0.0"):
    """A TCP server that says ``text``, on the running loop, in a sandbox or on the machine."""
    if sandbox is None:
        listener = socket.create_server((address, 0))
    else:
        listener = namespaces.inside(sandbox.descriptor, lambda: socket.create_server((address, 0)))

    async def answer(_, writer):
        writer.write(text.encode())
        writer.close()

    return asyncio.start_server(answer, sock=listener), listener.getsockname()[1]


def add(manager, network, name):
    sandbox = manager.open_sandbox(f"{name:0<64}")
    return sandbox, manager.connect(sandbox, network, names=[name])


def test_who_reaches_whom():
    async def work(manager):
        bridge, other = manager.get("bridge"), manager.create("other")
        a, at_a = add(manager, bridge, "a")
        b, _ = add(manager, bridge, "b")
        stranger, _ = add(manager, other, "c")
        starting, port = serve("hello", a)
        async with await starting:
            reader, writer = await asyncio.open_connection(at_a.address, port)
            from_machine = (await reader.read(100)).decode()
            writer.close()
            return (
                from_machine,
                await inside(b, CLIENT, at_a.address, str(port)),
                await inside(stranger, CLIENT, at_a.address, str(port)),
            )

    assert run(work) == ("hello", "hello", 1)


def test_the_machine_and_the_outside():
    """An address beyond the pool stands for the outside: one of the machine's that only it can reach directly."""

    async def work(manager):
        a, _ = add(manager, manager.get("bridge"), "a")
        locked, _ = add(manager, manager.create("locked", internal=True), "l")
        host = manager.host_address(manager.get("bridge"))
        os.close(namespaces.new_network(lambda: None)[0])
        starting, port = serve("machine")
        own = await asyncio.to_thread(own_address)
        async with await starting:
            return (
                await inside(a, CLIENT, host, str(port)),
                await inside(a, CLIENT, own, str(port)),
                await inside(locked, CLIENT, own, str(port)),
                await inside(a, CLIENT, own, "1"),
            )

    assert run(work) == ("machine", "machine", 1, 1)


def own_address():
    """An address of the machine that is neither loopback nor ours."""
    output = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    found = [line.split()[3].partition("/")[0] for line in output.splitlines()]
    return next(address for address in found if not address.startswith(("127.", "198.18.", "198.19.")))


def test_names():
    async def work(manager):
        bridge = manager.get("bridge")
        a, at_a = add(manager, bridge, "web")
        add(manager, manager.create("other"), "secret")
        output = await inside(a, RESOLVE, bridge.gateway, "WEB", "host.docker.internal", "secret", "nobody")
        return output.split("\n"), at_a.address, manager.host_address(bridge)

    lines, address, host = run(work)
    assert lines == [f"WEB 0 {address}", f"host.docker.internal 0 {host}", "secret 3 -", "nobody 3 -", ""]


def test_what_is_refused():
    async def work(manager):
        sandbox, endpoint = add(manager, manager.get("bridge"), "a")
        with pytest.raises(Forbidden, match="not permitted on predefined bridge network"):
            manager.create("bridge")
        with pytest.raises(Forbidden, match="pre-defined"):
            manager.remove("none")
        with pytest.raises(Forbidden, match="Pool overlaps"):
            manager.create("x", subnet=manager.get("bridge").subnet)
        with pytest.raises(InvalidParameter, match="Driver"):
            manager.create("x", driver="macvlan")
        with pytest.raises(Forbidden, match="already exists in network"):
            manager.connect(sandbox, manager.get("bridge"), names=[])
        other = manager.open_sandbox("b")
        with pytest.raises(Forbidden, match="already in use"):
            manager.connect(other, manager.get("bridge"), names=[], address=endpoint.address)
        network = manager.create("mine")
        manager.connect(other, network, names=[])
        with pytest.raises(Forbidden, match="active endpoints"):
            manager.remove("mine")
        manager.close_sandbox("b")
        manager.remove("mine")

    run(work)


def test_two_engines_side_by_side():
    async def work(manager):
        async with managed() as second:
            a, b = manager.get("bridge").subnet, second.get("bridge").subnet
            return a, b

    first, second = run(work)
    assert first != second


def test_killed_it_leaves_nothing():
    program = (
        "import asyncio, signal\n"
        "from container_runtime.network.manager import NetworkManager\n"
        "async def main():\n"
        "    manager = await NetworkManager.start()\n"
        "    manager.connect(manager.open_sandbox('a'), manager.get('bridge'), names=[])\n"
        "    print(manager.backbone.name, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    name = process.stdout.readline().strip()
    assert Path(f"/sys/class/net/{name}").exists()
    # Subscribed to the kernel's news of links (RTMGRP_LINK, rtnetlink(7)) before there are any to miss.
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as news:
        news.bind((0, 1))
        news.settimeout(30)  # a hang limit
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        # By the list of interfaces: it leaves that before the news is sent, and /sys only afterwards
        # (unregister_netdevice_many_notify), so that after the last of the news it may still be seen there.
        while name in {listed for _, listed in socket.if_nameindex()}:
            news.recv(65536)
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    assert name not in routes
