"""A container's output in a file: written once, read by any number of readers at their own pace.

Form: records of time (nanoseconds since the epoch), length and stream, then the bytes as they came. Lines are found
when they are asked for (tail, timestamps), so that a prompt without a newline is seen at once.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.engine.streams import frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_RECORD = struct.Struct("<QIB")
_BLOCK = 256 * 1024  # bytes read at a time: several records of the largest size


class Record(NamedTuple):
    """What was read from a pipe at a time."""

    time: int
    stream: int
    data: bytes


class Selection(NamedTuple):
    """What a client wants of a log."""

    streams: frozenset[int] = frozenset((1, 2))
    since: int = 0
    """Nanoseconds since the epoch."""
    until: int = 0
    """0: no end."""
    tail: int | None = None
    """The last so many lines; None: all."""
    timestamps: bool = False
    follow: bool = False
    framed: bool = True


class ContainerLog:
    """The log of one container. Its file is made with the first output, and lives as long as it has readers."""

    __slots__ = ("_descriptor", "_path", "_users", "_waiting", "ended", "lost", "size")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._users = 1
        self._waiting: list[asyncio.Future[None]] = []
        self.size = 0
        self.lost = 0
        """Bytes that the disk did not take."""
        self.ended = False
        """Whether nothing will be written unless the container is started again."""

    def write(self, stream: int, data: bytes) -> None:
        """Append a record. A full disk loses output, counted in ``lost``, and never stops the container."""
        header = _RECORD.pack(time.time_ns(), len(data), stream)
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            written = os.writev(self._descriptor, (header, data))
            if written != len(header) + len(data):
                os.ftruncate(self._descriptor, self.size)
                raise OSError
        except OSError:
            self.lost += len(data)
            return
        self.size += written
        self._wake()

    def finish(self) -> None:
        """No more output in this run of the container."""
        self.ended = True
        self._wake()

    def restart(self) -> None:
        """There will be output again."""
        self.ended = False

    def acquire(self) -> None:
        """One more user; ``release`` takes it back."""
        self._users += 1

    def release(self) -> None:
        """The last user's release closes the file."""
        self._users -= 1
        if self._users == 0 and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _wake(self) -> None:
        if self._waiting:
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)
            self._waiting.clear()

    async def more(self, offset: int) -> bool:
        """Wait until there is something behind ``offset``; False when nothing will come."""
        while self.size <= offset:
            if self.ended:
                return False
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                await future
            finally:
                if future in self._waiting:
                    self._waiting.remove(future)
        return True

    def read(self, offset: int, end: int | None = None) -> tuple[list[Record], int]:
        """Whole records from ``offset`` (about ``_BLOCK`` bytes, not beyond ``end``), and the offset behind them."""
        limit = self.size if end is None else end
        if offset >= limit or self._descriptor < 0:
            return [], offset
        block = os.pread(self._descriptor, min(_BLOCK, limit - offset), offset)
        records: list[Record] = []
        position = 0
        while position + _RECORD.size <= len(block):
            moment, length, stream = _RECORD.unpack_from(block, position)
            start = position + _RECORD.size
            if start + length > len(block):
                break
            records.append(Record(moment, stream, block[start : start + length]))
            position = start + length
        return records, offset + position


class _Lines:
    """Cuts records into pieces that do not cross a newline, and knows which of them begin a line."""

    def __init__(self) -> None:
        self._inside: dict[int, bool] = {}

    def pieces(self, record: Record) -> Iterator[tuple[bool, bytes]]:
        """(begins a line, bytes) of one record."""
        begins = not self._inside.get(record.stream, False)
        for piece in _split(record.data):
            yield begins, piece
            begins = piece.endswith(b"\n")
        self._inside[record.stream] = not begins


def _split(data: bytes) -> list[bytes]:
    """Lines by newline alone: bytes.splitlines would also cut at a carriage return."""
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 in UTC with nanoseconds, as Docker writes it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def _tail_start(log: ContainerLog, selection: Selection, end: int) -> int:
    """How many selected lines come before the last ``selection.tail`` ones."""
    count, offset, lines = 0, 0, _Lines()
    while offset < end:
        records, offset_behind = log.read(offset, end)
        if not records:
            break
        offset = offset_behind
        for record in records:
            if _wanted(record, selection):
                count += sum(begins for begins, _ in lines.pieces(record))
    return max(0, count - (selection.tail or 0))


def _wanted(record: Record, selection: Selection) -> bool:
    return record.stream in selection.streams and record.time >= selection.since


class _Writer:
    """Turns records into what is sent: lines skipped for the tail, timestamps, frames."""

    def __init__(self, selection: Selection, skip: int) -> None:
        self._selection = selection
        self._skip = skip
        self._seen = 0
        self._lines = _Lines()
        self._skipping: dict[int, bool] = {}

    def render(self, record: Record) -> bytes:
        selection = self._selection
        if not _wanted(record, selection):
            return b""
        if self._seen >= self._skip and not selection.timestamps and not any(self._skipping.values()):
            return frame(record.stream, record.data) if selection.framed else record.data
        kept: list[bytes] = []
        for begins, piece in self._lines.pieces(record):
            if begins:
                self._seen += 1
                self._skipping[record.stream] = self._seen <= self._skip
            if self._skipping.get(record.stream, False):
                continue
            if begins and selection.timestamps:
                kept.append(f"{timestamp(record.time)} ".encode())
            kept.append(piece)
        data = b"".join(kept)
        return (frame(record.stream, data) if selection.framed else data) if data else b""


async def read_log(log: ContainerLog, selection: Selection, offset: int = 0) -> AsyncIterator[bytes]:
    """What ``selection`` wants, in blocks to be sent; with ``follow`` until the container ends.

    ``offset``: where an attach begins. Memory is bounded by one block, however slow the consumer is.
    """
    log.acquire()
    try:
        end = log.size
        skip = _tail_start(log, selection, end) if selection.tail is not None else 0
        writer = _Writer(selection, skip)
        while offset < end or (selection.follow and await log.more(offset)):
            records, offset = log.read(offset, None if selection.follow else end)
            if not records:
                return
            if selection.until and records[0].time > selection.until:
                return
            block = b"".join(
                writer.render(record) for record in records if not selection.until or record.time <= selection.until
            )
            if block:
                yield block
    finally:
        log.release()
