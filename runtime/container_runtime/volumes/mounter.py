"""A process that mounts a filesystem as a volume, or unmounts it, in the launcher's mount namespace, and ends.

Containers begin with a copy of that namespace, and nothing outside has the mount; with the launcher it goes. A process
of its own, because mount(2) of a network filesystem may take minutes, and is ended by a signal.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from container_runtime.errors import EngineError
from container_runtime.kernel import syscalls, userns
from container_runtime.volumes import options as local

if TYPE_CHECKING:
    from container_runtime.volumes.model import Volume

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from container_runtime.volumes.mounter import main; main()"
_PATIENCE = 120  # seconds; a server that does not answer for longer is an error


async def mount(volume: Volume, launcher: int) -> None:
    """Mount what the options of ``volume`` name; ``launcher`` is a pidfd of it.

    Raises:
        EngineError: the kernel refused; it says what, and what an ordinary user cannot.
    """
    source = local.source_of(volume.options or {})
    name = local.address(source)
    if name:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, None, family=socket.AF_INET)
        except OSError as error:
            raise EngineError(
                f"error while mounting volume '{volume.path}': error resolving passed in network volume address: "
                f"{name}: {error.strerror}"
            ) from None
        source = source._replace(data=source.data.replace(f"addr={name}", f"addr={found[0][4][0]}", 1))
    number = await _run(launcher, [source.device, str(volume.path), source.kind, source.flags, source.data])
    if number:
        hint = "; as an ordinary user the engine mounts tmpfs and directories (o=bind) only" if userns.active() else ""
        raise EngineError(
            f"error while mounting volume '{volume.path}': failed to mount local volume: mount "
            f"{source.device}:{volume.path}, type: {source.kind}, data: {_hidden(source.data)}: "
            f"{os.strerror(number)}{hint}"
        )


async def unmount(volume: Volume, launcher: int) -> None:
    """Unmount it again; what is still used stays until that ends."""
    await _run(launcher, [str(volume.path)])


def _hidden(data: str) -> str:
    words = ["password=********" if word.startswith("password=") else word for word in data.split(",")]
    return ",".join(words)


async def _run(launcher: int, arguments: list[str | int]) -> int:
    """The error number that the process ended with."""
    root = str(Path(__file__).parent.parent.parent)
    command = [sys.executable, "-I", "-S", "-c", _BOOT, root, str(launcher), json.dumps(arguments)]
    process = await asyncio.create_subprocess_exec(*command, pass_fds=(launcher,), stdin=asyncio.subprocess.DEVNULL)
    try:
        return await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        raise EngineError(f"error while mounting volume: no answer for {_PATIENCE} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()


def main() -> None:
    """Entry: ``argv`` is the place of this package, a pidfd, and the arguments of mount(2) or umount2(2) as JSON."""
    arguments = json.loads(sys.argv[3])
    try:
        syscalls.setns(int(sys.argv[2]), syscalls.CLONE_NEWNS)
        if len(arguments) == 1:
            syscalls.umount(arguments[0], syscalls.MNT_DETACH | syscalls.UMOUNT_NOFOLLOW)
        else:
            syscalls.mount(*arguments)
    except OSError as error:
        sys.exit(error.errno or 1)
