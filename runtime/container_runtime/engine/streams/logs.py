"""What readers of a container's output get: lines as Docker's logs have them, or the bytes as they come.

A line of ``docker logs`` is what moby's copier makes of the stream (daemon/logger/copier.go): it ends at a newline,
after 16 KiB, or with the container; it appears when it is complete, with the time of that moment.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.engine.streams.logfile import Cursor
from container_runtime.engine.streams.streams import STDERR, STDOUT, frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from container_runtime.engine.streams.logfile import ContainerLog, Record, Run

PIECE = 16 * 1024
"""Bytes after which a line is cut; moby's defaultBufSize."""

_pack = struct.Struct(">BxxxI").pack
_BOTH = frozenset((STDOUT, STDERR))


class Selection(NamedTuple):
    """What a client wants of a log."""

    streams: frozenset[int] = _BOTH
    since: int = 0
    """Nanoseconds since the epoch."""
    until: int = 0
    """0: no end."""
    tail: int | None = None
    """The last so many lines, of both streams; None: all."""
    timestamps: bool = False
    details: str | None = None
    """What stands before each line, with a space behind it."""
    follow: bool = False
    framed: bool = True


class Lines:
    """Makes lines of records."""

    __slots__ = ("_begun", "_rest")

    def __init__(self) -> None:
        self._rest = {STDOUT: b"", STDERR: b""}
        self._begun: dict[int, int] = {}  # when the first piece of a long line came

    def feed(self, record: Record) -> tuple[int, list[bytes]]:
        """(time, lines) that the record completes, the newline in each but the pieces of a long one."""
        stream = record.stream
        moment = self._begun.pop(stream, record.time)
        data = self._rest[stream] + record.data if self._rest[stream] else record.data
        if not record.data:
            self._rest[stream] = b""
            return moment, [data] if data else []
        lines = data.split(b"\n")
        rest = lines.pop()
        long = len(data) >= PIECE and (len(rest) >= PIECE or max(map(len, lines), default=0) >= PIECE)
        found = [line + b"\n" for line in lines]
        if long:
            found = [piece for line in found for piece in _pieces(line)]
            while len(rest) >= PIECE:
                found.append(rest[:PIECE])
                rest = rest[PIECE:]
                self._begun[stream] = moment
        if not lines and stream not in self._begun and moment != record.time:
            self._begun[stream] = moment
        self._rest[stream] = rest
        return moment, found


def _pieces(line: bytes) -> list[bytes]:
    """A line with its newline, cut as a buffer of PIECE bytes cuts it."""
    return [line[start : start + PIECE] for start in range(0, len(line), PIECE)]


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 in UTC with nanoseconds, as Docker writes it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


class _Writer:
    """Turns records into what is sent."""

    __slots__ = ("_lines", "_selection", "_skip", "past")

    def __init__(self, selection: Selection, skip: int) -> None:
        """``skip``: lines at the beginning that are not wanted."""
        self._selection = selection
        self._skip = skip
        self._lines = Lines()
        self.past = False
        """Whether a line was later than what is wanted."""

    def render(self, record: Record) -> bytes:
        """What is sent for it."""
        selection = self._selection
        moment, lines = self._lines.feed(record)
        if self._skip:
            count = len(lines)
            lines = lines[self._skip :]
            self._skip = max(0, self._skip - count)
        if not lines or moment < selection.since:
            return b""
        if selection.until and moment > selection.until:
            self.past = True
            return b""
        if record.stream not in selection.streams:
            return b""
        if selection.timestamps or selection.details is not None:
            before = f"{timestamp(moment)} " if selection.timestamps else ""
            before += f"{selection.details} " if selection.details is not None else ""
            prefix = before.encode()
            lines = [prefix + line for line in lines]
        if not selection.framed:
            return b"".join(lines)
        stream = record.stream
        return b"".join([_pack(stream, len(line)) + line for line in lines])


async def _tail(log: ContainerLog, count: int) -> tuple[int, int]:
    """(position, lines to skip from there on) for the last ``count`` lines.

    From the end backwards to where enough lines are complete and no stream is in the middle of one, then forwards.
    """
    position, lines, open_streams = log.end, 0, set[int]()
    pinned = Cursor(log, log.start, None)
    try:
        for segment in reversed([*log.segments]):
            for block in segment.backwards():
                for position, record in block:
                    lines += record.data.count(b"\n")
                    if record.fresh:
                        open_streams.discard(record.stream)
                    else:
                        open_streams.add(record.stream)
                    if lines >= count and not open_streams:
                        return position, max(0, await _count(log, position) - count)
                await asyncio.sleep(0)  # others take their turn
    finally:
        pinned.close()
    return position, max(0, await _count(log, position) - count)


async def _count(log: ContainerLog, position: int) -> int:
    """Complete lines from a position on."""
    cursor, lines, total = Cursor(log, position, None), Lines(), 0
    try:
        while await cursor.more():
            for record in cursor.read():
                total += len(lines.feed(record)[1])
            await asyncio.sleep(0)
    finally:
        cursor.close()
    return total


async def read_log(log: ContainerLog, selection: Selection, run: Run | None = None) -> AsyncIterator[bytes]:
    """The lines that ``selection`` wants, in blocks to be sent; with ``follow`` until ``run`` ends.

    Memory is bounded by one block, however slow the consumer is.
    """
    position, skip = log.start, 0
    if selection.tail is not None:
        position, skip = await _tail(log, selection.tail)
    writer = _Writer(selection, skip)
    cursor = Cursor(log, position, (run or log.run) if selection.follow else None)
    try:
        while await cursor.more():
            block = [_notice(cursor, framed=selection.framed)] if cursor.skipped else []
            block += [writer.render(record) for record in cursor.read()]
            if data := b"".join(block):
                yield data
            if writer.past:
                return
    finally:
        cursor.close()


async def read_stream(cursor: Cursor, streams: frozenset[int], *, framed: bool) -> AsyncIterator[bytes]:
    """The bytes from a place on as they come, until its run ends: what is attached gets."""
    while await cursor.more():
        records = [one for one in cursor.read() if one.stream in streams and one.data]
        parts = [_notice(cursor, framed=framed)] if cursor.skipped else []
        for record in records:
            if framed:
                parts.append(_pack(record.stream, len(record.data)))
            parts.append(record.data)
        if parts:
            yield b"".join(parts)


def _notice(cursor: Cursor, *, framed: bool) -> bytes:
    """Tells a reader that was too slow how much it has missed."""
    text = f"\r\npytest-containers: {cursor.skipped} bytes of output were dropped: they were not read in time\r\n"
    cursor.skipped = 0
    return frame(STDERR, text.encode()) if framed else text.encode()
