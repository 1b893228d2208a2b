"""Mount namespaces without a process: a thread makes one and ends, and a descriptor keeps it.

What is mounted in it is reached by a descriptor of its root directory (``openat2.Root``), from any thread, and is
unmounted by the kernel when both descriptors are closed. Reference: mount_namespaces(7), setns(2).
"""

from __future__ import annotations

import os
import re
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from container_runtime.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_OCTAL = re.compile(rb"\\([0-7]{3})")


class MountPoint(NamedTuple):
    """One line of mountinfo: the mount's number, that of the one that it is mounted in, where, and its type."""

    number: int
    parent: int
    path: str
    kind: str


class Space:
    """The calling thread's mount namespace, seen from a thread that ``build`` has made."""

    def __init__(self, proc: int) -> None:
        """``proc``: descriptor of /proc/thread-self, which paths do not lead to in a container's namespace."""
        self._proc = proc

    def mounts(self) -> list[MountPoint]:
        """All mounts, those mounted in others after them."""
        descriptor = os.open("mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        with os.fdopen(descriptor, "rb") as file:
            return parse_mountinfo(file.read())

    def detach(self, chosen: Callable[[MountPoint], bool]) -> None:
        """Unmount what is ``chosen``, with all that is mounted in it.

        Raises:
            OSError: it could not be; a container may move directories while this looks at them, so it tries again.
        """
        for attempt in range(16):
            found = [mount for mount in self.mounts() if chosen(mount)]
            if not found:
                return
            for mount in found:
                try:
                    syscalls.umount(mount.path, syscalls.MNT_DETACH | syscalls.UMOUNT_NOFOLLOW)
                except OSError:
                    # Gone with one that it was mounted in, or moved; which of them, the next look will tell.
                    if attempt == 15:
                        raise

    def descriptor(self) -> int:
        """A descriptor of the namespace, which keeps it."""
        return os.open("ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)


def parse_mountinfo(data: bytes) -> list[MountPoint]:
    """The lines of a mountinfo file (proc_pid_mountinfo(5)); blanks and backslashes in paths are octal there."""
    found: list[MountPoint] = []
    for line in data.splitlines():
        left, _, right = line.partition(b" - ")
        fields = left.split(b" ")
        path = _OCTAL.sub(lambda match: bytes((int(match[1], 8),)), fields[4])
        found.append(MountPoint(int(fields[0]), int(fields[1]), os.fsdecode(path), right.split(b" ")[0].decode()))
    return found


def build(function: Callable[[Space], str], joined: int | None = None) -> tuple[int, int]:
    """A mount namespace in which ``function`` has been called, as descriptors: (a directory in it, the namespace).

    It begins as a copy of the namespace ``joined`` (a descriptor), or of the machine's; nothing that is mounted in it
    is seen anywhere else. ``function`` returns the directory's path.

    Raises:
        OSError: no right to; or ``function`` has raised it.
    """

    def work() -> tuple[int, int]:
        proc = os.open("/proc/thread-self", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syscalls.unshare(syscalls.CLONE_FS)  # setns(2) and a root directory of its own ask for that
            if joined is not None:
                syscalls.setns(joined, syscalls.CLONE_NEWNS)
            syscalls.unshare(syscalls.CLONE_NEWNS)
            syscalls.mount(None, "/", None, syscalls.MS_SLAVE | syscalls.MS_REC)
            space = Space(proc)
            root = os.open(function(space), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return root, space.descriptor()
            except OSError:
                os.close(root)
                raise
        finally:
            os.close(proc)

    return _in_thread(work)


def _in_thread(work: Callable[[], T]) -> T:
    """Call in a thread that ends afterwards, since it does not come back to the machine's namespace."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  it is the caller's
            future.set_exception(error)

    thread = threading.Thread(target=run, name="mounts", daemon=True)
    thread.start()
    try:
        return future.result()
    finally:
        thread.join()
