"""The way back: from a container to servers of the test process that listen on 127.0.0.1 alone."""

from __future__ import annotations

import errno
import io
import tarfile
from typing import TYPE_CHECKING

from pytest_containers.errors import ContainerError, translated
from pytest_containers.handle.base import Handle

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINE = "host.docker.internal"
"""The name by which containers find the machine of the tests."""

_OWN_USERS = "127.128.0.1"
"""Where connections of an ordinary user's containers to the machine arrive (container_runtime, network/egress.py)."""

_DESKTOP = "Docker Desktop"
"""It leads the name to the machine's loopback by itself; its containers are in a virtual machine."""


_LONGEST = 1 << 20  # bytes of an archive with /etc/hosts, which the container may have written


class HostPorts(Handle):
    """See ``expose_host_port``."""

    def expose_host_port(self, port: int) -> str:
        """Have a server that listens on 127.0.0.1 of the test's machine reached by the container; returns where.

        The address is ``host.docker.internal:port`` (in the machine's own network ``127.0.0.1:port``), until the
        container is removed; it has to run. A server that listens on all addresses is there without this.
        """
        __tracebackhide__ = True
        if self._spec.network_name == "host":
            return f"127.0.0.1:{port}"
        place = f"{MACHINE}:{port}"
        for address in self._machine():
            from pytest_containers.loopback import lead

            try:
                leave = lead(address, port)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    continue
                raise ContainerError(
                    f"port {port} cannot be exposed to container {self._what}: {error.strerror} ({address}:{port})"
                ) from None
            self.on_removal(leave)
            return place
        if self._engine.client.system.info().get("OperatingSystem") == _DESKTOP:
            return place
        raise ContainerError(
            f"port {port} cannot be exposed to container {self._what}: its engine {self._engine.url} is on another "
            "machine; let the server listen on an address that this machine has in a network of both"
        )

    def _machine(self) -> Iterator[str]:
        """Addresses of the machine of the tests, the container's first."""
        __tracebackhide__ = True
        hosts = "" if self._spec.network_name == "none" else self._hosts()  # Podman writes the name there too
        for line in hosts.splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            if MACHINE in names:
                yield address
                break
        else:
            raise ContainerError(
                f"container {self._what} knows no machine of the tests ({MACHINE}): is it running, and in a network?"
            )
        if self._engine.forwards:
            yield _OWN_USERS

    def _hosts(self) -> str:
        __tracebackhide__ = True
        with translated(f"cannot read /etc/hosts of container {self._what}"):
            archive = self._client.containers.get_archive(self.id, "/etc/hosts")
            data = bytearray()
            with archive.stream as stream:
                for piece in stream:
                    data += piece
                    if len(data) > _LONGEST:
                        break
            try:
                with tarfile.open(fileobj=io.BytesIO(data)) as members:
                    file = members.extractfile(members.getmembers()[0])
                    return file.read().decode("utf-8", "replace") if file else ""
            except (tarfile.TarError, IndexError):
                return ""
