"""/etc/hosts and /etc/resolv.conf of a container: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST_NAME = "host.docker.internal"
_LOCAL = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def render_hosts(own: Iterable[tuple[str, Iterable[str]]], host_address: str = "", extra: Iterable[str] = ()) -> str:
    """hosts(5): loopback, the container's own addresses and names, the host, and "name:address" extras.

    An extra whose address is "host-gateway" means the host, as with Docker's ``--add-host``.
    """
    lines = [_LOCAL]
    for address, names in own:
        lines.append(f"{address}\t{' '.join(dict.fromkeys(names))}\n")
    if host_address:
        lines.append(f"{host_address}\t{HOST_NAME}\n")
    for entry in extra:
        name, _, address = entry.replace("=", ":", 1).partition(":")
        lines.append(f"{host_address if address == 'host-gateway' else address}\t{name}\n")
    return "".join(lines)


def render_resolv_conf(
    nameservers: Iterable[str], search: Iterable[str] = (), options: Iterable[str] = ("ndots:0",)
) -> str:
    """resolv.conf(5)."""
    lines = [f"nameserver {address}\n" for address in nameservers]
    for word, values in (("search", search), ("options", options)):
        joined = " ".join(values)
        if joined:
            lines.append(f"{word} {joined}\n")
    return "".join(lines)
