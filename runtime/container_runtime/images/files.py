"""Writing what other processes read: whole or not at all; and what a full disk is called when a person reads it."""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from container_runtime.errors import EngineError
from container_runtime.kernel import userns

if TYPE_CHECKING:
    from collections.abc import Generator


def opaque_attribute() -> str:
    """The attribute, with value "y", of a directory through which lower layers do not show (overlayfs.rst).

    ``trusted`` ones are for the machine's root; mounts of others have the option ``userxattr``.
    """
    return "user.overlay.opaque" if userns.active() else "trusted.overlay.opaque"


_HINTS = {
    errno.ENOSPC: "free some space there, or set PYTEST_CONTAINERS_DATA to a directory with more",
    errno.EDQUOT: "the user's quota is used up: free some space, or set PYTEST_CONTAINERS_DATA to another disk",
    errno.EACCES: "set PYTEST_CONTAINERS_DATA to a directory that this user may write",
    errno.EROFS: "set PYTEST_CONTAINERS_DATA to a directory that can be written",
    errno.EPERM: "making the files of an image (their owners, devices, attributes) needs root",
    errno.EINVAL: "an owner or attribute of the image cannot be represented here",
    errno.EOPNOTSUPP: "the filesystem does not have the extended attributes that overlayfs needs",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


@contextmanager
def storage_errors(what: str, place: Path) -> Generator[None]:
    """Turn an OSError of the block into one EngineError: ``what`` could not be stored in ``place``, why, what to do."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = _HINTS.get(error.errno or 0, "")
        raise EngineError(f"cannot store {what} in {place}: {reason}" + (f"; {hint}" if hint else "")) from error


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``path`` by a temporary file and rename, so that a reader sees the old or the new content, never a part.

    ``durable``: on disk before it returns (fsync of file and directory).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(descriptor)
        temporary.rename(path)
        if durable:
            sync_directory(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def sync_directory(path: Path) -> None:
    """fsync(2) of a directory: the names in it are on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_object(value: Any) -> dict[str, Any]:
    """``value`` where it is a JSON object, else an empty one: for documents that somebody else wrote."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """``value`` where it is a JSON array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def parse_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object that ``data`` is; None where it is none, or one that is nested without end."""
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return as_object(value)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in ``path``; None where there is no such file.

    Raises:
        EngineError: it is damaged.
    """
    try:
        value: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise EngineError(f"{path} cannot be read: {error}; remove the directory to begin anew") from None
    if not isinstance(value, dict):
        raise EngineError(f"{path} is damaged; remove the directory to begin anew")
    return as_object(cast("Any", value))


def remove_tree(path: Path) -> None:
    """Remove a directory with all below it; what another process removes at the same time is no error."""

    def retry(function: Any, name: str, _: object) -> None:
        # A directory of an image may have a mode that keeps out even its owner.
        with suppress(FileNotFoundError):
            Path(name).parent.chmod(0o700)
            if Path(name).is_dir() and not Path(name).is_symlink():
                Path(name).chmod(0o700)
                shutil.rmtree(name, ignore_errors=True)
            else:
                function(name)

    with suppress(FileNotFoundError):
        shutil.rmtree(path, onerror=retry)
