"""Cables, bridges and the redirection of outbound connections, in network namespaces that end with the probe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from container_runtime.doctor import reasons
from container_runtime.doctor.attempt import as_engine
from container_runtime.doctor.model import Finding
from container_runtime.errors import KernelError
from container_runtime.kernel import nftables, rtnetlink, syscalls

if TYPE_CHECKING:
    from container_runtime.doctor.attempt import Failure
    from container_runtime.doctor.surroundings import Surroundings

_COST = "containers have no network, and the engine makes one before it starts the first"
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")  # of the opener's namespace, proc_sys(5)
_SUBNET, _PREFIX = "198.18.0.0", 15  # RFC 2544, as the engine's own pool


def _links() -> None:
    """What ``network.backbone`` makes, with both ends in namespaces of ours."""
    outer = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.unshare(syscalls.CLONE_NEWNET)
    netlink = rtnetlink.Netlink()
    netlink.send(rtnetlink.up(1))
    try:
        _FORWARD.write_text("1")
    except OSError as error:
        raise KernelError("write", f"{_FORWARD} of a new network namespace", error.errno or 1) from None
    netlink.send(rtnetlink.bridge("bridge"))
    bridge = rtnetlink.index_of("bridge")
    netlink.send(
        rtnetlink.address(bridge, "198.18.0.1", 24),
        rtnetlink.rule_from_interface("bridge", 1000, 100),
        rtnetlink.route("198.18.1.0", 24, table=1000, unreachable=True),
    )
    netlink.send(rtnetlink.veth("cable", "uplink", outer, master=bridge))


def _redirection() -> None:
    rtnetlink.Netlink().send(rtnetlink.up(1))
    nftables.redirect(_SUBNET, _PREFIX, "lo", 1)


def _hand_over() -> None:
    rtnetlink.Netlink().send(rtnetlink.up(1), rtnetlink.rule_for_mark(nftables.MARK, 999, 50), rtnetlink.all_local(999))
    nftables.hand_over(_SUBNET, _PREFIX, "lo", 1)


def links(here: Surroundings) -> Finding:
    """Bridge, veth pair, addresses, rules, routes."""
    failure = as_engine(here, _links, syscalls.CLONE_NEWNET).failure
    if failure is None:
        return Finding("network", "ok", "veth pairs, bridges, routing rules")
    step = failure.step
    modules = "veth" if "veth" in step else "bridge" if "bridge" in step else ""
    if "rule" in step:
        return _missing("network", failure, here, "", "the kernel has no routing by rules (CONFIG_IP_MULTIPLE_TABLES)")
    return _missing("network", failure, here, modules, "")


def redirection(here: Surroundings) -> Finding:
    """The nftables rules by which connections to the outside come to the engine."""
    failure = as_engine(here, _redirection, syscalls.CLONE_NEWNET).failure
    if failure is None:
        return Finding("redirection", "ok", "nftables redirects connections to the outside")
    return _missing("redirection", failure, here, "nf_tables nft_chain_nat nft_redir nft_fib_ipv4", "")


def datagrams(here: Surroundings) -> Finding:
    """The nftables rules by which UDP to the outside comes to the engine; it does without."""
    failure = as_engine(here, _hand_over, syscalls.CLONE_NEWNET).failure
    if failure is None:
        return Finding("datagrams", "ok", "nftables hands over UDP to the outside")
    reason = reasons.refusal(failure, here, capability="CAP_NET_ADMIN", modules="nf_tables nft_tproxy nft_fib_ipv4")
    return Finding("datagrams", "limited", reason.why, "containers send no UDP to the outside", reason.remedy)


def _missing(name: str, failure: Failure, here: Surroundings, modules: str, why: str) -> Finding:
    reason = reasons.refusal(failure, here, capability="CAP_NET_ADMIN", modules=modules)
    return Finding(name, "missing", why or reason.why, _COST, reason.remedy)
