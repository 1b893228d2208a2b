"""A program in the foreground: its output is ours, our input and signals are its."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from typing import TYPE_CHECKING, Self

from pytest_containers.cli import output
from pytest_containers.client.hijack import STDOUT, Demultiplexer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from pytest_containers.client.hijack import RawStream

READ_SIZE = 65536


class Interrupted(Exception):  # not a mistake
    """A signal that is for us and not for the container."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


class Signals:
    """While it is entered, Ctrl-C and its like are numbers to read from a descriptor, not exceptions."""

    CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH)

    def __enter__(self) -> Self:
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._caught) for number in self.CAUGHT}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._read.close()
        self._write.close()

    def fileno(self) -> int:
        """Return the descriptor that is readable when a signal came."""
        return self._read.fileno()

    def take(self) -> list[int]:
        """Return the signals that came."""
        return [number for number in self._read.recv(64) if number in self.CAUGHT]

    @staticmethod
    def _caught(number: int, frame: FrameType | None) -> None:
        """Do nothing: the wake-up descriptor tells it."""


class Session:
    """Moves bytes between the terminal and a raw connection until the program's output ends."""

    def __init__(
        self,
        stream: RawStream,
        *,
        stdin: int | None,
        signals: Signals | None = None,
        on_signal: Callable[[int], None] | None = None,
        detach_keys: bytes = b"",
    ) -> None:
        self._stream = stream
        self._keys = detach_keys
        self._typed = b""
        self.detach_typed: bool = False
        """Whether the keys that leave a terminal were typed; it is the engine that acts on them."""
        self._stdin = stdin
        self._signals = signals
        self._on_signal = on_signal
        self._poll = select.poll()
        self._frames = Demultiplexer()
        self._pending = memoryview(b"")
        """Input that the connection would not take yet; meanwhile no more of it is read."""
        if stdin is None:
            stream.half_close()

    def run(self) -> None:
        """Move bytes until the engine closes the connection."""
        if self._signals:
            self._poll.register(self._signals, select.POLLIN)
        open_ = True
        while open_:
            self._await_what_matters()
            for descriptor, ready in self._poll.poll():
                if descriptor == self._stdin:
                    self._read_stdin()
                elif self._signals and descriptor == self._signals.fileno():
                    self._take_signals()
                else:
                    open_ = self._serve(ready)

    def _await_what_matters(self) -> None:
        self._poll.register(self._stream, select.POLLIN | (select.POLLOUT if self._pending else 0))
        if self._stdin is not None:
            if self._pending:
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self._stdin)
            else:
                self._poll.register(self._stdin, select.POLLIN)

    def _read_stdin(self) -> None:
        assert self._stdin is not None  # noqa: S101  # it is what became readable
        data = os.read(self._stdin, READ_SIZE)
        if data:
            self._notice_keys(data)
            self._pending = self._stream.write_some(memoryview(data))
        else:
            self._poll.unregister(self._stdin)
            self._stdin = None
            self._stream.half_close()

    def _notice_keys(self, data: bytes) -> None:
        if self._keys:
            self._typed = (self._typed + data)[-(READ_SIZE + len(self._keys)) :]
            self.detach_typed = self.detach_typed or self._keys in self._typed
            self._typed = self._typed[-len(self._keys) :]

    def _take_signals(self) -> None:
        assert self._signals  # noqa: S101  # they are what became readable
        for number in self._signals.take():
            if self._on_signal:
                self._on_signal(number)

    def _serve(self, ready: int) -> bool:
        if ready & select.POLLOUT and self._pending:
            self._pending = self._stream.write_some(self._pending)
        if not ready & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return True
        piece = self._stream.read()
        if self._stream.framed:
            for stream, data in self._frames.feed(piece):
                output.raw(stream, data)
        elif piece:
            output.raw(STDOUT, piece)
        return bool(piece)
