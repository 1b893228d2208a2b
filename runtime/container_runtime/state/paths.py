"""Where things lie: what all engines of a user share, and what belongs to one run.

The names follow the XDG base directory specification; root has the places of the Filesystem Hierarchy Standard.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from container_runtime.errors import EngineError
from container_runtime.kernel import userns

DATA_VARIABLE = "PYTEST_CONTAINERS_DATA"
_NAME = "pytest-containers"


def data_home() -> Path:
    """The directory of what outlives a run: images, caches.

    ``$PYTEST_CONTAINERS_DATA`` where set; ``/var/lib/pytest-containers`` for root; else
    ``$XDG_DATA_HOME/pytest-containers``, by default below ``~/.local/share``. Not made here.
    """
    chosen = os.environ.get(DATA_VARIABLE)
    if chosen:
        return Path(chosen)
    if userns.outer_user() == 0:
        return Path("/var/lib") / _NAME
    base = os.environ.get("XDG_DATA_HOME") or f"{home()}/.local/share"
    return Path(base) / _NAME


def home() -> str:
    """The user's home directory.

    Raises:
        EngineError: HOME is not set, and /etc/passwd does not know the user.
    """
    if os.environ.get("HOME"):
        return os.environ["HOME"]
    import pwd

    try:
        return pwd.getpwuid(userns.outer_user()).pw_dir
    except KeyError:
        raise EngineError(
            f"user {userns.outer_user()} has no home directory: set HOME, or {DATA_VARIABLE} to a directory for images"
        ) from None


def runtime_home() -> Path:
    """The directory of live runs: ``/run/pytest-containers`` for root, else below ``$XDG_RUNTIME_DIR`` or /tmp.

    Made with mode 0700 where it is not there.

    Raises:
        EngineError: it belongs to somebody else, is not a directory, or cannot be made.
    """
    uid = userns.outer_user()
    base = os.environ.get("XDG_RUNTIME_DIR")
    if uid == 0:
        path = Path("/run") / _NAME
    elif base and os.access(base, os.W_OK):
        path = Path(base) / _NAME
    else:
        path = Path("/tmp") / f"{_NAME}-{uid}"  # noqa: S108  the owner and the mode are checked below
    return private_directory(path)


def private_directory(path: Path) -> Path:
    """Make ``path`` with mode 0700, or check that it is a directory of ours that nobody else may enter."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise EngineError(f"cannot make the directory {path}: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise EngineError(f"{path} is not a directory of user {userns.outer_user()}: remove it, or set XDG_RUNTIME_DIR")
    if status.st_mode & 0o077:
        path.chmod(0o700)
    return path
