"""The launcher's first and last deeds: what it keeps for itself at its start, and what it removes at its end."""

from __future__ import annotations

import os

from container_runtime.kernel import syscalls as sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def close_to_children() -> None:
    """Have no descriptor but the standard ones inherited: the run's lock, and whatever pytest was started with."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2:
                os.set_inheritable(int(name), False)
        except OSError:
            pass  # the descriptor that listed them


def own_mounts() -> None:
    """Mounts that containers make stay in their own namespaces, those of the machine still arrive."""
    sys.unshare(sys.CLONE_NEWNS)
    sys.mount(None, "/", None, sys.MS_SLAVE | sys.MS_REC)


def remove_run(directory: str) -> None:
    """The directories of the run go too; what fails here, the engine removes, or the next one's sweep.

    Not by shutil, for whose import (compression, patterns) the end of every run would wait.
    """
    with open(directory + "/ledger", encoding="utf-8") as ledger:
        places = [line.rstrip("\n").partition(" ")[2] for line in ledger if line.startswith("directory ")]
    for path in [*places, directory]:
        if os.path.isdir(path):
            _remove_tree(path)


def _remove_tree(path: str) -> None:
    """By descriptors, as whoever was able to exchange a directory for a link may still be alive."""
    for _, directories, files, here in os.fwalk(path, topdown=False):
        for name in files:
            _attempt(os.unlink, name, here)
        for name in directories:  # links to directories among them
            if not _attempt(os.rmdir, name, here):
                _attempt(os.unlink, name, here)
    _attempt(os.rmdir, path, None)


def _attempt(remove: Callable[..., None], name: str, directory: int | None) -> bool:
    try:
        remove(name, dir_fd=directory)
    except OSError:
        return False
    return True
