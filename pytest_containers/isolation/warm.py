"""A container with a warm pytest in it, and the messages from there."""

from __future__ import annotations

import contextlib
import json
import select
from typing import TYPE_CHECKING, Any

from pytest_containers.client.hijack import STDOUT, Demultiplexer
from pytest_containers.errors import ContainerError, translated
from pytest_containers.resting import Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_containers.client.hijack import RawStream
    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

HEAD = 5
"""Bytes before the data of a frame (``inside.boot``): kind, length."""
MESSAGES, STANDARD_OUTPUT, STANDARD_ERROR = b"POE"
_LAST = frozenset({"finished", "ended", "uncollected", "absent"})
"""The messages after which nothing comes that concerns the test; its process may still be on its way out."""
_KEPT = 65536
"""Bytes of uncaptured output that are kept for a report."""


class Frames:
    """Takes bytes in any pieces, gives kind and data of each frame that is whole."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the frames that end in the next bytes."""
        self._rest += piece
        while len(self._rest) >= HEAD:
            end = HEAD + int.from_bytes(self._rest[1:HEAD], "big")
            if len(self._rest) < end:
                return
            kind, data = self._rest[0], bytes(self._rest[HEAD:end])
            del self._rest[:end]
            yield kind, data


class TimedOut(Exception):
    """The test has taken longer than it may."""


class Warm:
    """One warm pytest.

    Attributes:
        uncaptured: what was written since the last request and not captured by pytest, e.g. faulthandler's traces.
        usable: whether it can run another test.
        requests: how many it was asked to run.
    """

    def __init__(self, engine: Engine, spec: ContainerSpec, settings: Mapping[str, Any]) -> None:
        self._engine = engine
        self._frames, self._lines = Frames(), bytearray()
        self._demultiplexer = Demultiplexer()
        self._errors = bytearray()
        self.uncaptured: bytearray = bytearray()
        self.usable: bool = True
        self.requests: int = 0
        self.container: Container = engine.create(spec, node=None, name="")
        self.container.silent = True
        try:
            with translated(f"cannot talk to the container of {settings['where']}"):
                self._stream: RawStream = engine.client.containers.attach(self.container.id, stdin=True)
            self.container.start()
            self._write(settings)
        except BaseException:
            self.close()
            raise

    def _write(self, line: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # told by what comes, or does not
            self._stream.write(json.dumps(line).encode() + b"\n")

    def request(
        self, nodeid: str, path: str, *, startup: float, timeout: float | None, show: Callable[[int, bytes], None]
    ) -> Iterator[dict[str, Any]]:
        """Run a test and yield the messages about it, up to the last one or the end of the interpreter.

        ``startup``: seconds that it may take until the test begins; ``timeout``: those of the test itself.
        ``show``: is called with what is written without being captured, and where: 1 output, 2 error.

        Raises:
            TimedOut: it took longer; the container is not usable any more.
        """
        self.uncaptured.clear()
        self.requests += 1
        self._write({"nodeid": nodeid, "path": path, "number": self.requests})
        limit: Limit | None = Limit(startup)
        while self.usable:
            for message in self._receive(limit, show):
                if message.get("number", self.requests) != self.requests:
                    continue  # the end of the process of the test before, for which nobody has waited
                if message["kind"] == "started":
                    limit = None if timeout is None else Limit(timeout)
                yield message
                if message["kind"] in _LAST:
                    return

    def answer(self, line: str) -> None:
        """Give the debugger inside the line that it has asked for."""
        self._write({"line": line})

    def _receive(self, limit: Limit | None, show: Callable[[int, bytes], None]) -> list[dict[str, Any]]:
        """The messages in what comes next; ``usable`` is false where nothing will."""
        poll = select.poll()
        poll.register(self._stream.fileno(), select.POLLIN)
        if not (poll.poll() if limit is None else limit.poll(poll)):
            self.usable = False
            raise TimedOut
        piece = self._stream.read()
        self.usable = bool(piece)
        for number, data in self._demultiplexer.feed(piece):
            if number != STDOUT:
                _keep(self._errors, data)
                continue
            for kind, content in self._frames.feed(data):
                if kind == MESSAGES:
                    self._lines += content
                else:
                    _keep(self.uncaptured, content)
                    show(1 if kind == STANDARD_OUTPUT else 2, content)
        return list(self._messages())

    def _messages(self) -> Iterator[dict[str, Any]]:
        *lines, rest = bytes(self._lines).split(b"\n")
        self._lines[:] = rest
        for line in filter(None, lines):
            try:
                message: object = json.loads(line)
            except ValueError:  # half of one: its sender was killed
                continue
            if isinstance(message, dict) and "kind" in message:
                yield message

    def ending(self) -> str:
        """How the container ended, after the stream did, and what it said of it."""
        with contextlib.suppress(ContainerError):
            self.container.wait()
        said = self._errors.decode(errors="replace").strip()
        if "No such file" in said and "boot.py" in said:
            said += " (the engine has to see this machine's files: in_container needs one on this machine)"
        return f"{self.container.ending()}{f': {said}' if said else ''}"

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of it for want of memory; it ends for that, since only then it shows.

        Inside one cannot see it everywhere: the container's control group need not be mounted there.
        """
        self.usable = False
        self.container.kill()
        self.container.wait()
        return bool(self.container.inspect().get("State", {}).get("OOMKilled"))

    def close(self) -> None:
        """Remove the container."""
        self.usable = False
        if hasattr(self, "_stream"):
            self._stream.close()
        self._engine.remove(self.container)


def _keep(kept: bytearray, data: bytes) -> None:
    kept += data
    del kept[:-_KEPT]
