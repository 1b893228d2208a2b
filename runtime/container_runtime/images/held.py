"""Directories that several engines use and anybody may remove who finds them unused: shared locks on them, flock(2)."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from container_runtime.images.files import remove_tree

if TYPE_CHECKING:
    from pathlib import Path


class Held:
    """The directory that this process uses; others keep it for as long as it is held, and the process lives."""

    def __init__(self) -> None:
        self._descriptor = -1

    def hold(self, path: Path) -> bool:
        """Hold ``path`` in place of what was held before; False where it is not there, or about to go."""
        self.release()
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            # It may have been removed, and made anew, before the lock was ours.
            held = os.path.samestat(os.fstat(descriptor), path.stat())
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Use it no more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def remove_unheld(path: Path) -> bool:
    """Remove a directory that nobody holds; returns whether that was so."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        # It disappears at once for those who look for it, whatever the removal takes.
        gone = path.with_name(f".{path.name.removeprefix('.')}-{os.getpid()}-{os.urandom(4).hex()}")
        path.rename(gone)
        remove_tree(gone)
        return True
    finally:
        os.close(descriptor)
