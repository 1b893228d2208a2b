"""Network namespaces without names: they live as long as a descriptor, a socket or a process of theirs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from container_runtime.errors import KernelError
from container_runtime.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Generator

_OWN = "/proc/thread-self/ns/net"


def _open_own() -> int:
    return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def inside(namespace: int) -> Generator[None, None, None]:
    """The calling thread is in the network namespace of the descriptor while the block runs."""
    before = _open_own()
    try:
        syscalls.setns(namespace, syscalls.CLONE_NEWNET)
        try:
            yield
        finally:
            syscalls.setns(before, syscalls.CLONE_NEWNET)
    finally:
        os.close(before)


@contextmanager
def new_network() -> Generator[int, None, None]:
    """A new network namespace, which the calling thread is in while the block runs; its descriptor is the caller's.

    Raises:
        KernelError: no right to make one.
    """
    before = _open_own()
    try:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
        except OSError as error:
            raise KernelError("make a network namespace", "", error.errno or 1, "root is needed") from None
        try:
            yield _open_own()
        finally:
            syscalls.setns(before, syscalls.CLONE_NEWNET)
    finally:
        os.close(before)
