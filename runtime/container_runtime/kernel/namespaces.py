"""Network namespaces without names: they live as long as a descriptor, a socket or a process of theirs.

As root the calling thread goes in and comes back. In a user namespace nobody may come back to the machine's network
(setns(2) wants CAP_SYS_ADMIN in the namespace that owns it), so there one thread, which never does, goes in for all.
"""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from container_runtime.errors import KernelError
from container_runtime.kernel import syscalls, userns

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_OWN = "/proc/thread-self/ns/net"


def _open_own() -> int:
    return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


class _Traveller:
    """The thread that has left the machine's network for good."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="networks", daemon=True).start()

    def _serve(self) -> None:
        while True:
            function, future = self._work.get()
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001  it is the caller's
                future.set_exception(error)

    def call(self, function: Callable[[], T]) -> T:
        future: Future[T] = Future()
        self._work.put((function, future))
        return future.result()


_traveller: _Traveller | None = None
_starting = threading.Lock()


def _away(function: Callable[[], T]) -> T:
    """Call where the network namespace may be changed and is the machine's again afterwards, for whoever called."""
    global _traveller  # noqa: PLW0603  one thread for the process, made when it is needed
    if userns.active():
        with _starting:
            if _traveller is None:
                _traveller = _Traveller()
        return _traveller.call(function)
    before = _open_own()
    try:
        try:
            return function()
        finally:
            syscalls.setns(before, syscalls.CLONE_NEWNET)
    finally:
        os.close(before)


def inside(namespace: int, function: Callable[[], T]) -> T:
    """Call ``function`` in the network namespace of the descriptor; it may take a millisecond at most."""

    def enter() -> T:
        syscalls.setns(namespace, syscalls.CLONE_NEWNET)
        return function()

    return _away(enter)


def new_network(function: Callable[[], T]) -> tuple[int, T]:
    """A new network namespace: its descriptor, which is the caller's, and what ``function`` returned in it.

    Raises:
        KernelError: no right to make one.
    """

    def make() -> tuple[int, T]:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
        except OSError as error:
            raise KernelError("make a network namespace", "", error.errno or 1, "root is needed") from None
        descriptor = _open_own()
        try:
            return descriptor, function()
        except BaseException:
            os.close(descriptor)
            raise

    return _away(make)
