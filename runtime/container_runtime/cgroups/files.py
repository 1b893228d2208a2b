"""The kernel's small files: read whole, written in one call."""

from __future__ import annotations

import os


def read(path: str) -> str:
    """The content of a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    parts: list[bytes] = []
    try:
        while chunk := os.read(descriptor, 1 << 16):
            parts.append(chunk)
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", "surrogateescape")


def write(path: str, text: str) -> None:
    """Write to a file that is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
