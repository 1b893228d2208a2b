"""Commands inside running containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.client.http import segment
from pytest_containers.client.types import ExecResult

if TYPE_CHECKING:
    from pytest_containers.client.hijack import RawStream
    from pytest_containers.client.http import Transport
    from pytest_containers.client.types import ExecBody, ExecDetails


class Execs:
    """``client.execs``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, container: str, body: ExecBody) -> str:
        """Prepare a command in a container and return its id; ``AttachStdout`` and so on say what comes back."""
        return self._transport.request("POST", f"/containers/{segment(container)}/exec", body=body).json()["Id"]

    def open(self, exec_id: str) -> RawStream:
        """Start it and return the raw connection to it."""
        return self._transport.raw(
            f"/exec/{segment(exec_id)}/start", body={"Detach": False, "Tty": False}, upgrade=True
        )

    def start(self, exec_id: str, stdin: bytes | None = None) -> ExecResult:
        """Start it, feed it, and return how it ended."""
        with self.open(exec_id) as stream:
            stdout, stderr = stream.communicate(stdin)
        return ExecResult(self.inspect(exec_id).get("ExitCode") or 0, stdout, stderr)

    def start_detached(self, exec_id: str) -> None:
        """Start it and do not wait."""
        self._transport.request("POST", f"/exec/{segment(exec_id)}/start", body={"Detach": True, "Tty": False})

    def inspect(self, exec_id: str) -> ExecDetails:
        """Return its state."""
        return self._transport.request("GET", f"/exec/{segment(exec_id)}/json").json()
