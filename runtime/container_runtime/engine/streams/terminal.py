"""A process's terminal as its owner has it: open until the process has ended, whatever the process does with it."""

from __future__ import annotations

import contextlib
import os
import struct

from container_runtime.kernel import syscalls

_TIOCSWINSZ, _TIOCGPTPEER = 0x5414, 0x5441  # ioctl_tty(2)


class Terminal:
    """The other side (slave) of a terminal whose master is read elsewhere; owns its descriptor.

    A master without any slave counts as hung up: reading it fails, and closing it sends SIGHUP to the terminal's
    session. So one is held here, and a program may close its terminal, and open it again as ``/dev/tty``.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, master: int) -> None:
        """``master`` stays the caller's.

        Raises:
            OSError: it is no terminal's, or there is no descriptor left.
        """
        self._descriptor = syscalls.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)

    def resize(self, rows: int, columns: int) -> None:
        """Set the window size; the programs in it get SIGWINCH. Nothing happens where the terminal has just ended."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):  # it was hung up (vhangup(2))
                syscalls.ioctl(self._descriptor, _TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """The process has ended."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
