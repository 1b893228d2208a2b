"""What waits ask of a container besides its addresses and its output."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Self

from pytest_containers.client.errors import NotFoundError
from pytest_containers.errors import translated
from pytest_containers.handle.execs import Execs

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from pytest_containers.client.execs import Execs as ExecClient
    from pytest_containers.client.hijack import RawStream
    from pytest_containers.client.observation import EventStream
    from pytest_containers.client.request_types import ExecBody
    from pytest_containers.client.types import Health

UNFINISHED = -1
"""The exit code of a command whose connection was cut."""


class RunningExec:
    """A command that runs inside a container; shutting its socket from another thread ends ``finish``."""

    def __init__(self, execs: ExecClient, exec_id: str, stream: RawStream) -> None:
        self._execs = execs
        self._id = exec_id
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    @property
    def socket(self) -> socket.socket:
        """The connection that brings its output."""
        return self._stream.socket

    def finish(self) -> tuple[int, bytes]:
        """Wait for its end, and return the exit code and all that it wrote."""
        output = self._stream.communicate()
        code = self._execs.inspect(self._id).get("ExitCode")
        return UNFINISHED if code is None else code, b"".join(output)


class Conditions(Execs):
    """Its health, commands and files."""

    def is_ready(self) -> bool:
        """Whether it is ready; for classes derived from this one, besides what ``wait`` says.

        It is called again and again until it returns something true; an exception means "not yet".
        """
        return True

    def health(self) -> Health | None:
        """What its health check has found so far; None where it has none."""
        __tracebackhide__ = True
        health = self.inspect().get("State", {}).get("Health")
        return health if health and health.get("Status") not in {None, "", "none"} else None

    def health_events(self) -> EventStream:
        """Yields whenever its health changes; close it."""
        __tracebackhide__ = True
        with translated(f"cannot follow the health of container {self._what}"):
            filters = {"type": ["container"], "container": [self.id], "event": ["health_status"]}
            return self._client.system.events(filters=filters)

    def begin_exec(self, words: Sequence[str], user: str | None = None) -> RunningExec:
        """Start a command inside it, without waiting; close what is returned."""
        __tracebackhide__ = True
        body: ExecBody = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(words)}
        if user:
            body["User"] = user
        with translated(f"cannot run {words[0]} in container {self._what}"):
            exec_id = self._client.execs.create(self.id, body)
            return RunningExec(self._client.execs, exec_id, self._client.execs.open(exec_id))

    def exists(self, path: str) -> bool:
        """Whether there is a file, a directory or whatever at this absolute path inside it."""
        __tracebackhide__ = True
        with translated(f"cannot look for {path} in container {self._what}"):
            try:
                self._client.containers.stat_path(self.id, path)
            except NotFoundError:
                # Docker does not see filesystems in memory from outside; those inside do.
                return not self._engine.own_addresses and self._in_memory(path) and self._seen_inside(path)
        return True

    def _in_memory(self, path: str) -> bool:
        return any(PurePosixPath(path).is_relative_to(place) for place in (*self._spec.tmpfs, "/dev", "/proc", "/sys"))

    def _seen_inside(self, path: str) -> bool:
        with self.begin_exec(["test", "-e", path]) as running:
            return running.finish()[0] == 0
