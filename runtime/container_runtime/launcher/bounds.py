"""The launcher's first and last deeds: what it keeps for itself at its start, and what it removes at its end."""

from __future__ import annotations

import os

from container_runtime.kernel import syscalls as sys


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
    """The engine was killed: its directories go too; what fails here, the next engine's sweep removes."""
    import shutil

    with open(directory + "/ledger", encoding="utf-8") as ledger:
        places = [line.rstrip("\n").partition(" ")[2] for line in ledger if line.startswith("directory ")]
    for path in [*places, directory]:
        shutil.rmtree(path, ignore_errors=True)
