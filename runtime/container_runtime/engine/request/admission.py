"""Values that this machine cannot give, or that nobody can: refused when they are asked for.

The rules are those of Docker's daemon (moby, daemon/daemon_unix.go, verifyPlatformContainerResources, and
daemon/pkg/opts/hosts.go, ValidateExtraHost).
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping

_CPUS, _NODES = Path("/sys/devices/system/cpu/online"), Path("/sys/devices/system/node/online")


def check(host: Mapping[str, Any]) -> None:
    """Return where HostConfig asks for nothing impossible.

    Raises:
        InvalidParameter: it does; the message says what there is.
    """
    count = os.cpu_count() or 1
    if host.get("NanoCpus") and not 0 < host["NanoCpus"] <= count * 10**9:
        raise InvalidParameter(f"range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available")
    _check_list(host.get("CpusetCpus") or "", "CpusetCpus", "CPUs", _CPUS)
    _check_list(host.get("CpusetMems") or "", "CpusetMems", "memory nodes", _NODES)
    swappiness = host.get("MemorySwappiness")
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InvalidParameter(f"invalid value: {swappiness}, valid memory swappiness range is 0-100")
    for entry in host.get("ExtraHosts") or ():
        _check_host(entry)


def _check_list(text: str, field: str, what: str, online: Path) -> None:
    if not text:
        return
    try:
        wanted = numbers(text)
    except ValueError:
        raise InvalidParameter(
            f"Invalid value {text} for HostConfig.{field}: a list such as 0-3,5 is expected"
        ) from None
    try:
        available = online.read_text().strip()
    except OSError:  # a kernel without memory nodes has the one
        available = "0"
    if not wanted <= numbers(available):
        raise InvalidParameter(f"Requested {what} are not available - requested {text}, available: {available}")


def numbers(text: str) -> set[int]:
    """A list as cpuset(7) has it, ``0-3,5``; at most 8192 numbers, which is what a kernel can have.

    Raises:
        ValueError: it is none.
    """
    found: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        low, high = int(first), int(last) if dash else int(first)
        if not 0 <= low <= high < 8192:
            raise ValueError(text)
        found.update(range(low, high + 1))
    return found


def _check_host(entry: str) -> None:
    separator = "=" if "=" in entry else ":"
    name, found, address = entry.partition(separator)
    if not found or not name:
        raise InvalidParameter(f"bad format for add-host: {entry!r}")
    if address == "host-gateway":
        return
    try:
        ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise InvalidParameter(f"invalid IP address in add-host: {address!r}") from None
