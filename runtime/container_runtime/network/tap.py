"""The outside of an ordinary user's containers by pasta(1) or slirp4netns(1), where one of them is asked for.

The program makes an interface (a tap) in the stand-in for the machine (``backbone``), and what goes out by that it
sends from sockets of its own on the machine. So ICMP gets out too, which ``egress`` does not carry; and
``egress`` is left with what is for the machine itself.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.errors import EngineError
from container_runtime.kernel import namespaces, nftables, rtnetlink, syscalls
from container_runtime.network.pools import Subnet, parse_subnet

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from container_runtime.network.backbone import Backbone

    Attach = Callable[[list[str], int], Awaitable[int]]

VARIABLE = "PYTEST_CONTAINERS_EGRESS"
RELAY = "relay"
_INTERFACE = "outside"
_NAMESPACE = "NAMESPACE"  # launcher.outside puts the path there
_TIMEOUT = 10.0  # seconds until the program has made its interface; it usually takes 20–50 ms
# Where the tap's own addresses come from: those that are nowhere in use (RFC 5737), and not on this machine either.
_SUBNETS = ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24")


class Program(NamedTuple):
    """Debian's package, and the command line for addresses of a subnet."""

    package: str
    words: Callable[[Subnet], list[str]]


def _pasta(subnet: Subnet) -> list[str]:
    """Only outwards (``-t none`` and the like), and nothing to the machine's loopback (``--no-map-gw``)."""
    addresses = ["-a", subnet.address(2), "-n", f"{subnet.prefix}", "-g", subnet.address(1)]
    inwards = ["-t", "none", "-u", "none", "-T", "none", "-U", "none"]
    interface = ["--config-net", "-I", _INTERFACE]
    return [
        "--foreground",
        "-q",
        "-4",
        *interface,
        *addresses,
        "--no-map-gw",
        *inwards,
        "--netns-only",
        "--netns",
        _NAMESPACE,
    ]


def _slirp4netns(subnet: Subnet) -> list[str]:
    machine = ["--disable-host-loopback", "--disable-dns"]
    return ["--configure", "--mtu=65520", f"--cidr={subnet}", *machine, "--netns-type=path", _NAMESPACE, _INTERFACE]


PROGRAMS = {"pasta": Program("passt", _pasta), "slirp4netns": Program("slirp4netns", _slirp4netns)}


def wanted() -> str:
    """How containers shall reach the outside: ``relay`` or one of PROGRAMS, from the environment.

    Raises:
        EngineError: it is neither.
    """
    name = os.environ.get(VARIABLE) or RELAY
    if name != RELAY and name not in PROGRAMS:
        raise EngineError(f"{VARIABLE} must be {RELAY}, {' or '.join(PROGRAMS)}, not {name!r}")
    return name


async def attach(backbone: Backbone, start: Attach) -> Tap | None:
    """The program that the environment asks for, when it carries what leaves; None for the relay. Errors as of Tap."""
    name = wanted()
    if name == RELAY:
        return None
    made = Tap(name, backbone)
    try:
        await made.attach(start)
    except BaseException:
        made.close()
        raise
    return made


class Tap:
    """The program of one engine, which runs until the launcher ends."""

    def __init__(self, name: str, backbone: Backbone) -> None:
        """Nothing is started yet.

        Raises:
            EngineError: the engine is root's, or the program is not installed.
        """
        if backbone.outer < 0:
            raise EngineError(
                f"{VARIABLE}={name} is for an ordinary user's engine; root's reaches the outside by itself"
            )
        program = shutil.which(name)
        if program is None:
            raise EngineError(
                f"{VARIABLE} asks for {name}, which is not installed: install it (Debian, Ubuntu: the package "
                f"{PROGRAMS[name].package}), or unset {VARIABLE}"
            )
        self._name = name
        self._words = [program, *PROGRAMS[name].words(free_subnet(_networks_of_machine()))]
        self._outer = backbone.outer
        self._pidfd = -1
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[bool] = self._loop.create_future()

    async def attach(self, start: Attach) -> None:
        """Have it take over what leaves the stand-in; returns when it does.

        ``start`` starts a command line for a namespace, and returns its pid.

        Raises:
            EngineError: it failed; its own words are in the log.
        """
        news = namespaces.inside(self._outer, rtnetlink.route_news)
        try:
            self._pidfd = syscalls.pidfd_open(await start(self._words, self._outer))
            self._loop.add_reader(news, self._look, news)
            self._loop.add_reader(self._pidfd, self._ended)
            async with asyncio.timeout(_TIMEOUT):
                succeeded = await self._ready
        except TimeoutError:
            raise EngineError(f"{self._name} made no interface within {_TIMEOUT:g} seconds") from None
        finally:
            self._loop.remove_reader(news)
            news.close()
        if not succeeded:
            raise EngineError(f"{self._name} ended before it had made its interface{_reason()}")
        namespaces.inside(self._outer, _pass_on)

    def _look(self, news: socket.socket) -> None:
        """There is a default route when the interface is ready, and before that none."""
        if rtnetlink.is_default_route(news.recv(65536)) and not self._ready.done():
            self._ready.set_result(True)

    def _ended(self) -> None:
        self.close()
        if not self._ready.done():
            self._ready.set_result(False)
        else:
            print(f"container_runtime: {self._name} has ended: containers reach nothing outside", file=sys.stderr)  # noqa: T201

    def close(self) -> None:
        """Its end is no news any more."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


def _reason() -> str:
    if os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return ": its own words are in the engine's log"
    return ": /dev/net/tun cannot be opened by this user; as root: chmod 666 /dev/net/tun"


def _networks_of_machine() -> list[tuple[int, int]]:
    machine = rtnetlink.Netlink()
    try:
        return machine.networks()
    finally:
        machine.close()


def free_subnet(used: list[tuple[int, int]]) -> Subnet:
    """The first of _SUBNETS that overlaps none of the networks ``used``, (address, prefix) each; else the first."""
    choices = [parse_subnet(text) for text in _SUBNETS]
    taken = [Subnet(base, prefix) for base, prefix in used]
    return next((one for one in choices if not any(one.overlaps(other) for other in taken)), choices[0])


def _pass_on() -> None:
    """In the stand-in: forward to the tap, under its address."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    nftables.masquerade(_INTERFACE)
