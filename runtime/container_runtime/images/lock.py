"""A lock between processes and threads that waits without asking again and again: flock(2)."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


class FileLock:
    """An exclusive lock on a file, which is made where it is not there; free again when its holder ends in any way.

    Not re-entrant. One object is one holder: two threads that use two objects of one path exclude each other. (The
    library of that name polls 20 times a second and takes 85 ms to import, on the way to every container.)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> None:
        """Wait until the lock is ours. OSError where the file cannot be made."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                with suppress(FileNotFoundError):
                    # The holder before may have removed the file: then this lock is on a name that nobody finds.
                    if os.path.samestat(os.fstat(descriptor), self._path.stat()):
                        self._descriptor = descriptor
                        return
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def release(self, *, remove: bool = False) -> None:
        """Give it up; ``remove`` the file too, where what it guarded is done for good."""
        if self._descriptor < 0:
            return
        if remove:
            with suppress(FileNotFoundError):
                self._path.unlink()
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
