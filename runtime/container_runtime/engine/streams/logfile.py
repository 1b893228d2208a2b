"""A container's output in files: written once, read by any number of readers at their own pace, bounded by rotation.

Form: records of time (nanoseconds since the epoch), length and stream, then the bytes as they came, then the length
again so that the end can be found without the beginning. Lines are made when they are asked for (``logs``); who is
attached gets the bytes at once.

Files are called as those of Docker's json-file: ``log`` is written, ``log.1`` is the one before it, and so on. What
is dropped while a reader is still in it stays on the disk for that reader, up to ``PATIENCE`` bytes.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SIZE, MAX_FILES = 20_000_000, 5
"""Bytes of a file and their number, unless the container says otherwise: those of Docker's driver "local"."""
PATIENCE = 1 << 30
"""Bytes that a reader may be behind in what has been dropped; it then goes on with what is there."""

_HEAD, _TAIL = struct.Struct("<QIB"), struct.Struct("<I")
_OVERHEAD = _HEAD.size + _TAIL.size
_STDERR = 2  # streams.STDERR
_FRESH = 0x80  # added to the stream's number where the stream begins a line
_BLOCK = 256 * 1024  # bytes read at a time: several of the largest records


class Record(NamedTuple):
    """What was read from a pipe at a time; without data, the end of a run in the middle of a line."""

    time: int
    stream: int
    fresh: bool
    data: bytes


class Run:
    """One run of the container, as its readers see it."""

    __slots__ = ("end",)

    def __init__(self) -> None:
        self.end: int | None = None
        """The position behind its last output, once it has ended."""


class Segment:
    """One file. Open as long as the log or a reader has it, or one that comes before it."""

    __slots__ = ("_users", "base", "descriptor", "next", "size")

    def __init__(self, path: Path, base: int) -> None:
        """``base``: the position of its first byte in all that was ever written."""
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.base = base
        self.size = 0
        self.next: Segment | None = None
        self._users = 1

    def acquire(self) -> Segment:
        """One more user; ``release`` takes it back."""
        self._users += 1
        return self

    def release(self) -> None:
        """The last user's release closes the file, and lets go of the next one."""
        segment: Segment | None = self
        while segment is not None:
            segment._users -= 1
            if segment._users:
                return
            os.close(segment.descriptor)
            segment = segment.next

    def records(self, offset: int, limit: int) -> tuple[list[Record], int]:
        """Whole records from ``offset`` (about ``_BLOCK`` bytes, not beyond ``limit``), and the offset behind them."""
        block = os.pread(self.descriptor, min(_BLOCK, limit - offset), offset)
        found: list[Record] = []
        position, end = 0, len(block)
        unpack, head = _HEAD.unpack_from, _HEAD.size
        while position + _OVERHEAD <= end:
            moment, length, flags = unpack(block, position)
            start = position + head
            if start + length + _TAIL.size > end:
                break
            data = block[start : start + length]
            found.append(Record(moment, flags & ~_FRESH, flags >= _FRESH, data))
            position += _OVERHEAD + length
        return found, offset + position

    def backwards(self) -> Iterator[list[tuple[int, Record]]]:
        """(position, record) from the last one to the first, in blocks."""
        end = self.size
        while end > 0:
            start = max(0, end - _BLOCK)
            block = os.pread(self.descriptor, end - start, start)
            found: list[tuple[int, Record]] = []
            at = len(block)
            while at >= _OVERHEAD:
                first = at - _OVERHEAD - _TAIL.unpack_from(block, at - _TAIL.size)[0]
                if first < 0:
                    break
                moment, length, flags = _HEAD.unpack_from(block, first)
                data = block[first + _HEAD.size : first + _HEAD.size + length]
                found.append((self.base + start + first, Record(moment, flags & ~_FRESH, flags >= _FRESH, data)))
                at = first
            if not found:
                return
            yield found
            end = start + at


class ContainerLog:
    """The log of one container. Its file is made with the first output."""

    __slots__ = (
        "_broken",
        "_max_files",
        "_max_size",
        "_segments",
        "_waiting",
        "cursors",
        "end",
        "lost",
        "path",
        "run",
        "told",
    )

    def __init__(self, path: Path, max_size: int = MAX_SIZE, max_files: int = MAX_FILES) -> None:
        self.path = path
        self._max_size = max_size
        self._max_files = max_files
        self._segments: list[Segment] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._broken: set[int] = set()  # streams that are in the middle of a line
        self.cursors: set[Cursor] = set()
        self.end = 0
        """The position behind all that was written."""
        self.lost = 0
        """Bytes that the disk did not take; ``told``: of how many of them a line in the log speaks."""
        self.told = 0
        self.run = Run()

    @property
    def start(self) -> int:
        """The position of the oldest byte that is kept."""
        return self._segments[0].base if self._segments else self.end

    @property
    def segments(self) -> list[Segment]:
        """Those that are kept, oldest first."""
        return self._segments

    def write(self, stream: int, data: bytes) -> None:
        """Append output. A full disk never stops the container: what is lost is told in the log when there is room."""
        while len(data) > self._max_size:  # a bound that is smaller than what is read at a time
            cut = data.rfind(b"\n", 0, self._max_size) + 1 or self._max_size
            self._append(stream, data[:cut])
            data = data[cut:]
        self._append(stream, data)

    def _append(self, stream: int, data: bytes) -> None:
        flags = stream if stream in self._broken else stream | _FRESH
        length, notice = len(data), self._notice()
        parts = [_HEAD.pack(time.time_ns(), length, flags), data, _TAIL.pack(length)]
        if notice:
            parts[:0] = [_HEAD.pack(time.time_ns(), len(notice), _STDERR | _FRESH), notice, _TAIL.pack(len(notice))]
        room = sum(map(len, parts))
        try:
            segment = self._segment(room)
            written = os.writev(segment.descriptor, parts)
            if written != room:
                os.ftruncate(segment.descriptor, segment.size)
                raise OSError
        except OSError:
            self.lost += length
            return
        self.told = self.lost
        segment.size += written
        self.end += written
        if length and not data.endswith(b"\n"):
            self._broken.add(stream)
        else:
            self._broken.discard(stream)
        self._wake()

    def _notice(self) -> bytes:
        lost = self.lost - self.told
        return (
            f"pytest-containers: {lost} bytes of output were lost: the disk did not take them\n".encode()
            if lost
            else b""
        )

    def _segment(self, room: int) -> Segment:
        """The file to write to."""
        if not self._segments or (self._segments[-1].size and self._segments[-1].size + room > self._max_size):
            self._rotate()
        return self._segments[-1]

    def _name(self, number: int) -> str:
        return f"{self.path}.{number}" if number else str(self.path)

    def _rotate(self) -> None:
        """Begin a new file. It is made first: where that fails, all stays as it was."""
        made = Segment(Path(f"{self.path}.new"), self.end)
        last = self._segments[-1] if self._segments else None
        dropped = self._segments.pop(0) if len(self._segments) >= self._max_files else None
        if dropped is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._name(len(self._segments)))  # noqa: PTH108
        for number in range(len(self._segments) - 1, -1, -1):
            with suppress(FileNotFoundError):  # deleted by somebody: the descriptor still has it
                os.replace(self._name(number), self._name(number + 1))  # noqa: PTH105
        os.replace(f"{self.path}.new", self.path)  # noqa: PTH105
        if last is not None:
            last.next = made.acquire()
        self._segments.append(made)
        if dropped is not None:
            self._let_go(dropped)
        for cursor in self.cursors:
            cursor.find()

    def _let_go(self, segment: Segment) -> None:
        """Drop a file, and readers that are too far behind."""
        segment.release()
        for cursor in self.cursors:
            if self.end - cursor.position > PATIENCE:
                cursor.give_up()

    def finish(self) -> None:
        """No more output in this run of the container."""
        for stream in sorted(self._broken) or [_STDERR] * (self.lost > self.told):
            self._append(stream, b"")
        if self.run.end is None:
            self.run.end = self.end
        self._wake()

    def upcoming(self) -> Run:
        """The run that goes on, or the next one."""
        if self.run.end is not None:
            self.run = Run()
        return self.run

    def close(self) -> None:
        """The container is gone; readers keep what they are in."""
        self.finish()
        while self._segments:
            self._segments.pop(0).release()

    def _wake(self) -> None:
        if self._waiting:
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)
            self._waiting.clear()

    async def change(self) -> None:
        """Return when something was written, or a run has ended."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        finally:
            with suppress(ValueError):
                self._waiting.remove(future)


class Cursor:
    """A reader's place. ``close`` lets go of its file."""

    __slots__ = ("_log", "_run", "_segment", "_stop", "position", "skipped")

    def __init__(self, log: ContainerLog, position: int, run: Run | None) -> None:
        """``run``: follow until it ends; None: to where the log ends now."""
        self._log = log
        self._run = run
        self._stop = log.end
        self._segment: Segment | None = None
        self.position = max(position, log.start)
        self.skipped = 0
        """Bytes that it was too slow for, since this was last set to 0."""
        log.cursors.add(self)
        self.find()

    def find(self) -> None:
        """Hold the file of its position, as soon as there is one: it may be dropped before it is read."""
        if self._segment is None and self._log.segments:
            self._enter(next(one for one in reversed(self._log.segments) if one.base <= self.position))

    def _enter(self, segment: Segment) -> None:
        segment.acquire()
        if self._segment is not None:
            self._segment.release()
        self._segment = segment

    def _limit(self) -> int:
        if self._run is None:
            return self._stop
        return self._log.end if self._run.end is None else self._run.end

    async def more(self) -> bool:
        """Wait for something to read; False at the end."""
        while self.position >= self._limit():
            if self._run is None or self._run.end is not None:
                return False
            await self._log.change()
        return True

    def read(self) -> list[Record]:
        """The next records, after ``more`` said that there are some."""
        segment = self._segment
        assert segment is not None  # noqa: S101  there is something to read, so there is a file
        while self.position >= segment.base + segment.size and segment.next is not None:
            self._enter(segment.next)
            segment = segment.next
        limit = min(segment.size, self._limit() - segment.base)
        records, offset = segment.records(self.position - segment.base, limit)
        self.position = segment.base + offset
        return records

    def give_up(self) -> None:
        """Go on with the oldest that is kept: too much has been written meanwhile."""
        if self.position >= self._log.start:
            return
        self.skipped += self._log.start - self.position
        self.position = self._log.start
        if self._segment is not None:
            self._segment.release()
            self._segment = None
        self.find()

    def close(self) -> None:
        """Let go."""
        self._log.cursors.discard(self)
        if self._segment is not None:
            self._segment.release()
            self._segment = None
