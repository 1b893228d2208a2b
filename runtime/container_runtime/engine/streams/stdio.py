"""The descriptors of a process's standard streams: made before its start, ours afterwards."""

from __future__ import annotations

import os
import socket
import sys

from container_runtime.engine.streams.streams import STDERR, STDOUT, pipe_for_reading, pipe_for_writing
from container_runtime.engine.streams.terminal import Terminal
from container_runtime.errors import EngineError


class Ends:
    """Both ends of the streams of one process. Ours are taken out of it by who reads them, else ``close`` has them.

    A terminal is opened by the process's own start, in the devpts that it sees; here is only a pair of sockets that
    its master comes through (``launcher.terminal``).
    """

    __slots__ = ("_console", "_theirs", "input", "outputs", "stdio", "terminal")

    def __init__(self, *, tty: bool, stdin: bool) -> None:
        """``stdin``: whether there will be any; else it is empty, or what a terminal has when nobody types.

        Raises:
            OSError: there are no descriptors left.
        """
        self.outputs: list[tuple[int, int]] = []
        """Descriptors to read from, and their streams."""
        self.input = -1 if not stdin else -2
        """The descriptor to write to; -1 for none, -2 for one that comes with the terminal."""
        self.terminal: Terminal | None = None
        self._theirs: list[int] = []
        self._console: socket.socket | None = None
        try:
            self.stdio = self._open_console() if tty else self._open_pipes(stdin=stdin)
        except OSError:
            self.close()
            self.sent()
            raise

    def _open_console(self) -> tuple[int, int, int]:
        self._console, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end = theirs.detach()
        self._theirs = [end]
        return end, end, end

    def _open_pipes(self, *, stdin: bool) -> tuple[int, int, int]:
        for stream in (STDOUT, STDERR):
            ours, theirs = pipe_for_reading()
            self.outputs.append((ours, stream))
            self._theirs.append(theirs)
        if stdin:
            in_end, self.input = pipe_for_writing()
        else:
            in_end = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        out_end, err_end = self._theirs
        self._theirs.append(in_end)
        return in_end, out_end, err_end

    def sent(self) -> None:
        """The launcher has theirs, or will never have them."""
        for descriptor in self._theirs:
            os.close(descriptor)
        self._theirs = []

    def connect(self) -> None:
        """The process runs: its terminal, where it has one, is here.

        Raises:
            EngineError: it is not.
        """
        if self._console is None:
            return
        with self._console as console:
            master = _receive(console)
        self._console = None
        if master < 0:
            raise EngineError("the process has started without sending its terminal")
        self.outputs = [(master, STDOUT)]
        self.terminal = Terminal(master)
        if self.input == -2:
            self.input = os.dup(master)

    def close(self) -> None:
        """Close all that is ours and was not taken: the process did not start."""
        if self._console is not None:
            self._console.close()
            self._console = None
        for descriptor in (*(descriptor for descriptor, _ in self.outputs), self.input):
            if descriptor >= 0:
                os.close(descriptor)
        if self.terminal is not None:
            self.terminal.close()
        self.outputs, self.input, self.terminal = [], -1, None


def _receive(console: socket.socket) -> int:
    """The descriptor that has come through ``console``; -1 for none. socket.recv_fds would drop the flags."""
    try:
        _, found, _, _ = console.recvmsg(1, socket.CMSG_LEN(4), socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        return -1
    return next((int.from_bytes(data[:4], sys.byteorder) for _, _, data in found if len(data) >= 4), -1)
