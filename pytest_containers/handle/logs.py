"""``container.logs``: all that a container wrote, and what a test expects it to write."""

from __future__ import annotations

import queue
import re
import threading
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self, cast

from pytest_containers.client.errors import ClientError
from pytest_containers.errors import ContainerError, ContainerExited, WaitTimeout, translated
from pytest_containers.resting import Limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_containers.client.containers import LogStream
    from pytest_containers.client.types import State
    from pytest_containers.handle.output import Output

Stream = Literal["stdout", "stderr"]
NUMBERS: dict[Stream, int] = {"stdout": 1, "stderr": 2}
PROMPT_GRACE = 0.05
"""Seconds after which a line counts that is not ended, such as a prompt: the rest of a longer one has come by then."""


class Read(Protocol):
    """Opens the container's output."""

    def __call__(self, *, stdout: bool, stderr: bool, tail: int | str, follow: bool) -> LogStream:
        """``follow``: as it comes, else up to now."""
        ...


class Line(NamedTuple):
    """A line of output without its end, and whether the end was there."""

    stream: int
    text: str
    whole: bool
    size: int
    """Bytes, with the end."""


class Lines:
    """Takes output in any pieces, gives lines."""

    def __init__(self) -> None:
        self._rest: dict[int, bytes] = {}

    def feed(self, stream: int, data: bytes) -> Iterator[Line]:
        """Yield the lines that this ends, and what is begun of the next one, if anything."""
        *whole, rest = (self._rest.get(stream, b"") + data).split(b"\n")
        self._rest[stream] = rest
        for line in whole:
            yield Line(stream, line.decode(errors="replace").removesuffix("\r"), True, len(line) + 1)
        if rest:
            yield Line(stream, rest.decode(errors="replace"), False, len(rest))

    def unfinished(self) -> Iterator[Line]:
        """Yield what was begun and not ended."""
        for stream, rest in self._rest.items():
            if rest:
                yield Line(stream, rest.decode(errors="replace"), False, len(rest))


class Position(NamedTuple):
    """How far a stream was read: bytes up to the beginning of a line, and characters in that line."""

    offset: int = 0
    column: int = 0


class Search:
    """Looks for a pattern in output that is read from its beginning, from the given positions on."""

    def __init__(self, pattern: re.Pattern[str], positions: dict[int, Position]) -> None:
        self.pattern: re.Pattern[str] = pattern
        self._lines = Lines()
        self._skip = {stream: position.offset for stream, position in positions.items()}
        self.positions: dict[int, Position] = dict(positions)
        self.tentative: re.Match[str] | None = None
        """A match in a line that is not ended yet, and may still become another."""
        self._tentative_stream = 0
        self.seen: int = 0
        """Lines looked at."""
        self.last: str = ""

    def feed(self, stream: int, data: bytes) -> re.Match[str] | None:
        """Take the next piece; the match, if a line has one."""
        skipped = min(self._skip.get(stream, 0), len(data))
        if skipped:
            self._skip[stream] -= skipped
            data = data[skipped:]
        if stream == self._tentative_stream:
            self.tentative = None
        for line in self._lines.feed(stream, data):
            at = self.positions.get(stream, Position())
            found = self.pattern.search(line.text, at.column)
            if not line.whole:
                if found:
                    self.tentative, self._tentative_stream = found, stream
                return None
            if not at.column or line.text[at.column :]:  # else it is only the end of a line that was found before
                self.seen += 1
                self.last = line.text[at.column :]
            if found:
                self.positions[stream] = Position(at.offset, found.end())
                return found
            self.positions[stream] = Position(at.offset + line.size)
        return None

    def settle(self) -> re.Match[str] | None:
        """Take a match in a line that is not ended for what it is."""
        found = self.tentative
        if found is not None:
            at = self.positions.get(self._tentative_stream, Position())
            self.positions[self._tentative_stream] = Position(at.offset, found.end())
        return found


class Logs:
    """What a container wrote: ``logs()`` is all of it as text, ``logs.expect(…)`` waits for a line."""

    def __init__(self, container: Output, what: str, patience: float, read: Read) -> None:
        self._container = container
        self._what = what
        self._patience = patience
        self._read = read
        self._positions: dict[int, Position] = {}

    def __call__(self, *, stdout: bool = True, stderr: bool = True, tail: int | None = None) -> str:
        """What it wrote so far, in the order of writing; ``tail``: only the last lines."""
        __tracebackhide__ = True
        pieces = self._written(stdout=stdout, stderr=stderr, tail=tail)
        return b"".join(data for _, data in pieces).decode(errors="replace")

    def _written(self, *, stdout: bool = True, stderr: bool = True, tail: int | None = None) -> list[tuple[int, bytes]]:
        __tracebackhide__ = True
        lines = "all" if tail is None else tail
        with (
            translated(f"cannot read the output of container {self._what}"),
            self._read(stdout=stdout, stderr=stderr, tail=lines, follow=False) as stream,
        ):
            return list(stream)

    def lines(self, stream: Stream | None = None) -> list[str]:
        """The lines that it wrote so far, without their ends, one that is not ended included."""
        __tracebackhide__ = True
        _check_stream("lines", stream)
        lines = Lines()
        pieces = self._written(stdout=stream != "stderr", stderr=stream != "stdout")
        whole = [line.text for number, data in pieces for line in lines.feed(number, data) if line.whole]
        return [*whole, *(line.text for line in lines.unfinished())]

    def mark(self) -> None:
        """Let the next ``expect`` look only at what is written from now on."""
        __tracebackhide__ = True
        sizes = dict.fromkeys(NUMBERS.values(), 0)
        for number, data in self._written():
            sizes[number] = sizes.get(number, 0) + len(data)
        self._positions = {number: Position(size) for number, size in sizes.items()}

    def expect(
        self, pattern: str | re.Pattern[str], *, timeout: float | None = None, stream: Stream | None = None
    ) -> re.Match[str]:
        """Wait until it has written a line with the regular expression ``pattern``, and return the match.

        It looks at what was written after the last match, or after ``mark``. ``stream``: only there, ``"stdout"`` or
        ``"stderr"``. ``timeout``: seconds, by default the container's.

        Raises:
            WaitTimeout: no such line came in time.
            ContainerExited: the container has ended without it.
        """
        __tracebackhide__ = True
        _check_stream("expect", stream)
        compiled = _compiled(pattern)
        limit = self._patience if timeout is None else timeout
        search = Search(compiled, self._positions)
        found = self._found(search, stream, limit)
        if found is None:
            raise WaitTimeout(
                f"container {self._what} has not written {_words(search, stream)} within {limit:g} s{_seen(search)}"
                f"{self._container.last_lines()}"
            )
        self._positions = search.positions
        return found

    def _found(self, search: Search, stream: Stream | None, limit: float) -> re.Match[str] | None:
        """The match; None where time ran out. ContainerExited where the output ended."""
        __tracebackhide__ = True
        rest = Limit(limit)
        with translated(f"cannot follow the output of container {self._what}"):
            output = self._read(stdout=stream != "stderr", stderr=stream != "stdout", tail="all", follow=True)
        with Pump(output) as pump:
            while True:
                left = rest.left()
                piece = pump.next(min(left, PROMPT_GRACE) if search.tentative else left)
                if piece is None:
                    if search.tentative or not rest.left():
                        return search.settle()
                    continue
                if isinstance(piece, Over):
                    break
                if found := search.feed(*piece):
                    return found
        if found := search.settle():
            return found
        if piece.error is not None:
            raise ContainerError(f"cannot follow the output of container {self._what}: {piece.error}")
        raise self._ended(f"before it wrote {_words(search, stream)}{_seen(search)}")

    def _ended(self, when: str) -> ContainerError:
        __tracebackhide__ = True
        state = self._container.inspect().get("State", {})
        words = f"container {self._what} {ending(state)} {when}{self._container.last_lines()}"
        if state.get("Status") not in {"exited", "dead"}:
            return ContainerError(words)
        return ContainerExited(words, state.get("ExitCode", 0), oom_killed=state.get("OOMKilled", False))


def ending(state: State) -> str:
    """How it ended, in words; its state, where it has not."""
    if state.get("OOMKilled"):
        return "was killed: out of memory"
    if state.get("Status") in {"exited", "dead"}:
        return f"ended with exit code {state.get('ExitCode', 0)}"
    return f"is {state.get('Status', 'unknown')}"


class Over(NamedTuple):
    """The end of an output, and why, where it was not the container's end."""

    error: ClientError | None = None


class Pump:
    """A thread that reads an output, so that one can wait for its next piece with a limit; it ends with the block."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream
        self._pieces: queue.SimpleQueue[tuple[int, bytes] | Over] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, name="pytest-containers expect", daemon=True)

    def _read(self) -> None:
        error = None
        try:
            for piece in self._stream:
                self._pieces.put(piece)
        except ClientError as failure:
            error = failure
        self._pieces.put(Over(error))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def next(self, seconds: float) -> tuple[int, bytes] | Over | None:
        """The next piece; None where none has come after so long."""
        try:
            return self._pieces.get(timeout=seconds)
        except queue.Empty:
            return None

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._thread.join()


def _check_stream(what: str, stream: object) -> None:
    __tracebackhide__ = True
    if stream not in {None, *NUMBERS}:
        raise ValueError(f"logs.{what}: stream must be 'stdout' or 'stderr', not {stream!r}")


def _compiled(pattern: object) -> re.Pattern[str]:
    __tracebackhide__ = True
    if isinstance(pattern, re.Pattern) and isinstance(cast("re.Pattern[Any]", pattern).pattern, str):
        return cast("re.Pattern[str]", pattern)
    if not isinstance(pattern, str) or not pattern:
        raise TypeError(f"logs.expect: the pattern must be a regular expression of text, not {pattern!r}")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"logs.expect: {pattern!r} is no regular expression: {error}") from None


def _words(search: Search, stream: Stream | None) -> str:
    return f"/{search.pattern.pattern}/{f' to {stream}' if stream else ''}"


def _seen(search: Search) -> str:
    if not search.seen:
        return "; no line was written since it was last looked at"
    return f"; looked at {search.seen} lines, the last {search.last[:200]!r}"
