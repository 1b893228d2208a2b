"""The program that ties an ordinary user's networks to the machine's, where one was asked for (``network.tap``).

It is a process of the launcher's pid namespace, so it ends with the launcher however that ends.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  the C module: ``signal`` imports enum
import os

from container_runtime.kernel import syscalls as sys

NAMESPACE = "NAMESPACE"
"""The word of a command line in whose place the path of the network namespace comes."""


def attach(directory: str, words: list[str], namespace: int) -> int:
    """Start a program for the network namespace of a descriptor; returns its pid as the engine knows it.

    The namespace gets a path in the launcher's own mount namespace, below ``directory``: such a program closes all
    descriptors that it was not told of, and may not look at those of others.

    Raises:
        OSError: the program is not there.
    """
    path = f"{directory}/outside"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    sys.mount(f"/proc/self/fd/{namespace}", path, None, sys.MS_BIND)
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)]
    command = [path if word == NAMESPACE else word for word in words]
    # Python ignores SIGPIPE; pasta of 2023 takes that for an error.
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=null, setsigdef=(_signal.SIGPIPE,))
    pidfd = sys.pidfd_open(pid)
    try:
        return sys.pid_of(pidfd)
    finally:
        os.close(pidfd)
