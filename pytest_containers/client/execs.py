"""Commands inside running containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.client.http import segment
from pytest_containers.client.types import ExecResult

if TYPE_CHECKING:
    from pytest_containers.client.hijack import RawStream
    from pytest_containers.client.http import Transport
    from pytest_containers.client.request_types import ExecBody, ExecStartBody
    from pytest_containers.client.types import ExecDetails


class Execs:
    """``client.execs``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, container: str, body: ExecBody) -> str:
        """Prepare a command in a container and return its id; ``AttachStdout`` and so on say what comes back."""
        return self._transport.request("POST", f"/containers/{segment(container)}/exec", body=body).json()["Id"]

    def open(self, exec_id: str, *, tty: bool = False, size: tuple[int, int] | None = None) -> RawStream:
        """Start it and return the raw connection to it; ``tty`` as it was created, ``size``: rows and columns."""
        body: ExecStartBody = {"Detach": False, "Tty": tty}
        if tty and size:
            body["ConsoleSize"] = size
        return self._transport.raw(f"/exec/{segment(exec_id)}/start", body=body, upgrade=True)

    def start(self, exec_id: str, stdin: bytes | None = None) -> ExecResult:
        """Start it, feed it, and return how it ended."""
        with self.open(exec_id) as stream:
            stdout, stderr = stream.communicate(stdin)
        return ExecResult(self.inspect(exec_id).get("ExitCode") or 0, stdout, stderr)

    def start_detached(self, exec_id: str) -> None:
        """Start it and do not wait."""
        self._transport.request("POST", f"/exec/{segment(exec_id)}/start", body={"Detach": True, "Tty": False})

    def resize(self, exec_id: str, rows: int, columns: int) -> None:
        """Tell its terminal how large it is, in characters."""
        self._transport.request("POST", f"/exec/{segment(exec_id)}/resize", query={"h": rows, "w": columns})

    def inspect(self, exec_id: str) -> ExecDetails:
        """Return its state."""
        return self._transport.request("GET", f"/exec/{segment(exec_id)}/json").json()
