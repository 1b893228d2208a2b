"""Containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, Self

from pytest_containers.client.archive import ContainerFiles
from pytest_containers.client.errors import EngineUnreachable, ServerError
from pytest_containers.client.http import segment
from pytest_containers.client.lifecycle import ContainerLife
from pytest_containers.client.observation import ContainerObservation
from pytest_containers.client.snapshots import ContainerSnapshots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_containers.client.hijack import RawStream
    from pytest_containers.client.http import Stream, Transport
    from pytest_containers.client.request_types import ContainerBody
    from pytest_containers.client.types import ContainerDetails, ContainerSummary, CreateAnswer, Forward

Condition = Literal["not-running", "next-exit", "removed"]
FRAMED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"


class Waiting:
    """A ``wait`` under way: ``fileno()`` becomes readable when the condition holds, then ``result()`` is at hand."""

    def __init__(self, raw: RawStream) -> None:
        self._raw = raw

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._raw.fileno()

    def result(self) -> int:
        """Return the exit code, waiting for it if need be; the connection is closed afterwards."""
        try:
            answer = json.loads(self._raw.body())
        except (OSError, ValueError) as error:
            raise EngineUnreachable("the engine went away while a container was waited for") from error
        if answer.get("Error"):
            raise ServerError(500, str(answer["Error"].get("Message") or "wait failed"))
        return int(answer["StatusCode"])

    def close(self) -> None:
        """Give up waiting."""
        self._raw.close()


class LogStream:
    """Output as it is written: iterate for ``(stream, data)``, 1 stdout and 2 stderr; close it from any thread."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield output until the container ends or the stream is closed."""
        from pytest_containers.client.hijack import demultiplex

        yield from demultiplex(self._stream, framed=self._stream.content_type.split(";")[0] != RAW)

    def close(self) -> None:
        """End it; a thread that is reading sees the end at once."""
        self._stream.close()


class Containers(ContainerFiles, ContainerLife, ContainerObservation, ContainerSnapshots):
    """``client.containers``; ``name`` may everywhere be a name, an id or the beginning of one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, body: ContainerBody, name: str | None = None, platform: str | None = None, *, snapshot: str | None = None
    ) -> str:
        """Create a container and return its id; ``snapshot``: the key of the one to start from (our engine)."""
        return self.create_full(body, name, platform, snapshot=snapshot)["Id"]

    def create_full(
        self, body: ContainerBody, name: str | None = None, platform: str | None = None, *, snapshot: str | None = None
    ) -> CreateAnswer:
        """Create a container and return the whole answer, warnings included."""
        query = {"name": name, "platform": platform, "snapshot": snapshot}
        return self._transport.request("POST", "/containers/create", query=query, body=body).json()

    def start(self, name: str) -> None:
        """Start it; no error when it runs already."""
        self._transport.request("POST", f"/containers/{segment(name)}/start")

    def inspect(self, name: str, *, size: bool = False) -> ContainerDetails:
        """Return all about it; ``size``: with ``SizeRw`` and ``SizeRootFs``, which take time."""
        return self._transport.request("GET", f"/containers/{segment(name)}/json", query={"size": size}).json()

    def forward(self, name: str, port: int, *, probe: bool = False) -> Forward:
        """Return where the machine reaches a port (0: no port, the address only); ``probe``: and whether it is open."""
        path = f"/x-pytest-containers/containers/{segment(name)}/ports/{port}"
        return self._transport.request("GET", path, query={"probe": probe}).json()

    def list(
        self,
        *,
        all: bool = False,  # noqa: A002  # Docker's word
        filters: Mapping[str, list[str]] | None = None,
        limit: int | None = None,
        size: bool = False,
    ) -> list[ContainerSummary]:
        """Return the running containers, or all; ``size``: with ``SizeRw`` and ``SizeRootFs``, which take time."""
        query = {"all": all, "limit": limit, "size": size, "filters": json.dumps(dict(filters)) if filters else None}
        return self._transport.request("GET", "/containers/json", query=query).json()

    def logs(
        self,
        name: str,
        *,
        stdout: bool = True,
        stderr: bool = True,
        tail: int | str = "all",
        since: str | float | None = None,
        timestamps: bool = False,
    ) -> tuple[bytes, bytes]:
        """Return what it wrote so far: ``(stdout, stderr)``. ``since``: seconds since 1970."""
        output: dict[int, list[bytes]] = {1: [], 2: []}
        query = _log_query(stdout, stderr, tail, since, timestamps, follow=False)
        with LogStream(self._transport.stream("GET", f"/containers/{segment(name)}/logs", query=query)) as stream:
            for number, data in stream:
                output.setdefault(number, []).append(data)
        return b"".join(output[1]), b"".join(output[2])

    def follow(
        self,
        name: str,
        *,
        since: str | float | None = None,
        until: str | float | None = None,
        stdout: bool = True,
        stderr: bool = True,
        tail: int | str = "all",
        timestamps: bool = False,
        follow: bool = True,
    ) -> LogStream:
        """Return its output as a stream that goes on until it ends (``follow=False``: until now)."""
        query = _log_query(stdout, stderr, tail, since, timestamps, follow=follow)
        query["until"] = None if until is None else str(until)
        return LogStream(self._transport.stream("GET", f"/containers/{segment(name)}/logs", query=query))

    def attach(
        self,
        name: str,
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        logs: bool = False,
        detach_keys: str | None = None,
    ) -> RawStream:
        """Return a raw connection to its output, and its input if asked for.

        ``detach_keys``: what of the input ends the connection and not the container (``ctrl-p,ctrl-q`` by default).
        """
        query = {"stream": True, "stdout": stdout, "stderr": stderr, "stdin": stdin, "logs": logs,
                 "detachKeys": detach_keys}  # fmt: skip
        return self._transport.raw(f"/containers/{segment(name)}/attach", query=query, upgrade=True)

    def wait(self, name: str, condition: Condition = "not-running") -> int:
        """Wait until the condition holds and return the exit code."""
        return self.open_wait(name, condition).result()

    def open_wait(self, name: str, condition: Condition = "not-running") -> Waiting:
        """Begin to wait, and return what one can select on."""
        return Waiting(self._transport.raw(f"/containers/{segment(name)}/wait", query={"condition": condition}))

    def stop(self, name: str, timeout: int | None = None, signal: str | None = None) -> None:
        """Ask it to end (SIGTERM or its own signal), kill it after ``timeout`` seconds (None: its own or 10)."""
        self._transport.request("POST", f"/containers/{segment(name)}/stop", query={"t": timeout, "signal": signal})

    def kill(self, name: str, signal: str | int = "SIGKILL") -> None:
        """Send a signal to its first process."""
        self._transport.request("POST", f"/containers/{segment(name)}/kill", query={"signal": signal})

    def remove(self, name: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it; ``force`` kills it first, ``volumes`` removes its anonymous volumes, too."""
        self._transport.request("DELETE", f"/containers/{segment(name)}", query={"force": force, "v": volumes})


def _log_query(
    stdout: bool, stderr: bool, tail: int | str, since: str | float | None, timestamps: bool, *, follow: bool
) -> dict[str, str | int | bool | list[str] | None]:
    return {
        "stdout": stdout,
        "stderr": stderr,
        "tail": tail,
        "since": None if since is None else str(since),
        "timestamps": timestamps,
        "follow": follow,
    }
