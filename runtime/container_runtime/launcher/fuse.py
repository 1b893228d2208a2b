"""Roots that a program serves: fuse-overlayfs(1), where the kernel has no overlay for us.

The mount is made here, in the launcher's own mount namespace, and the program is given its descriptor: so it is a
process of the launcher's pid namespace, out of the container's reach, and ends with the launcher however that ends.
A container takes the mount along as any other when its mount namespace is made.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  the C module: ``signal`` imports enum
import os

from container_runtime.kernel import fuse
from container_runtime.kernel import syscalls as sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KIND = "fuse-overlayfs"
"""The type of the first mount of a config.json whose root is to be served."""
_DEVICE = 3  # the program's descriptor of /dev/fuse, which libfuse takes in place of a mount point (fuse(8))
# What is written reaches the upper directory before write(2) returns, so that the program may be killed at any time.
_WRITE_THROUGH = "writeback=0"


class Servers:
    """The programs of a launcher, by container."""

    def __init__(self, directory: str) -> None:
        """``directory``, of the run, gets a mount point for each; it is made with the first."""
        self._directory = directory
        self._running: dict[str, int] = {}

    def take(self, identity: str, config: dict[str, Any]) -> bool:
        """Serve the root of a container that asks for it, and put it into ``config`` as a plain directory.

        Raises:
            OSError: /dev/fuse cannot be opened, the mount was refused, or the program is not there.
        """
        mounts = config.get("mounts") or []
        if not mounts or mounts[0]["type"] != KIND:
            return False
        path = f"{self._directory}/{identity}"
        os.makedirs(path, 0o700, exist_ok=True)
        device = fuse.mount(KIND, path, sys.MS_NODEV)
        try:
            self._running[identity] = serve(mounts[0]["source"], device, mounts[0]["options"])
        except OSError:
            sys.umount(path, sys.MNT_DETACH)
            raise
        finally:
            os.close(device)
        config["root"] = {**config["root"], "path": path}
        config["mounts"] = mounts[1:]
        return True

    def pids(self) -> list[int]:
        """The pids of the programs."""
        return [*self._running.values()]

    def end(self, identity: str) -> None:
        """The container has gone, or was never made: end its program, if it has one."""
        pid = self._running.pop(identity, None)
        if pid is None:
            return
        path = f"{self._directory}/{identity}"
        sys.umount(path, sys.MNT_DETACH)
        os.kill(pid, _signal.SIGKILL)
        os.waitpid(pid, 0)
        os.rmdir(path)

    def unmount(self) -> None:
        """All programs have been killed: what they served is in the way of the run directory's removal."""
        for identity in self._running:
            sys.umount(f"{self._directory}/{identity}", sys.MNT_DETACH)
        self._running.clear()


def serve(program: str, device: int, options: list[str]) -> int:
    """Start the program, for what is mounted already; its pid. It ends by itself when that is unmounted."""
    words = [KIND, "-f", "-o", ",".join([*options, _WRITE_THROUGH]), f"/dev/fd/{_DEVICE}"]
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)]
    # posix_spawn(3) takes the close-on-exec flag off a descriptor that it duplicates onto itself, too.
    actions = [*null, (os.POSIX_SPAWN_DUP2, device, _DEVICE)]
    return os.posix_spawn(program, words, os.environ, file_actions=actions)
