"""The kernel's small files: read whole, written in one call.

kernfs answers ENODEV where the group went between the opening and the call: it is FileNotFoundError here too, so that
nobody has to know at which instant it went.
"""

from __future__ import annotations

import errno
import os


def read(path: str) -> str:
    """The content of a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    parts: list[bytes] = []
    try:
        while chunk := os.read(descriptor, 1 << 16):
            parts.append(chunk)
    except OSError as error:
        raise _gone(error, path) from None
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", "surrogateescape")


def write(path: str, text: str) -> None:
    """Write to a file that is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise _gone(error, path) from None
    finally:
        os.close(descriptor)


def _gone(error: OSError, path: str) -> OSError:
    if error.errno == errno.ENODEV:
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return error
