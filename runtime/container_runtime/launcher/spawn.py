"""Starting the launcher process; apart from its client, so that the engine can do it before it imports asyncio."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

from container_runtime.errors import KernelError
from container_runtime.kernel import syscalls, userns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from container_runtime.state.rundir import RunDirectory

_BUFFER = 4 << 20  # bytes: several of the largest messages
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from container_runtime.launcher.boot import main; main()"


def spawn(run_directory: RunDirectory) -> tuple[socket.socket, int]:
    """Start the launcher process in a pid namespace of its own; returns its socket and its pidfd.

    Raises:
        KernelError: no right to make a pid namespace.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        if not userns.active():
            end.setsockopt(socket.SOL_SOCKET, 32, _BUFFER)  # SO_SNDBUFFORCE, socket(7): beyond wmem_max
    own = syscalls.pidfd_open(os.getpid())
    root = str(Path(__file__).parent.parent.parent)
    arguments = [sys.executable, "-I", "-S", "-c", _BOOT, root, str(theirs.fileno()), str(own), str(run_directory.path)]
    if userns.active():
        arguments += [str(userns.outer_user()), str(userns.mapped_ids())]
    argv = [os.fsencode(argument) for argument in arguments]
    environ = [b"PATH=" + os.fsencode(os.environ.get("PATH", os.defpath)), b"PYTHONDONTWRITEBYTECODE="]
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWPID)
        if pid == 0:
            # The child of a process that may have threads: system calls only, until execve.
            try:
                for number in (0, 1):
                    os.dup2(null, number, inheritable=True)
                for descriptor in (theirs.fileno(), own, run_directory.lock):
                    os.set_inheritable(descriptor, True)
                syscalls.execve(sys.executable, argv, environ)
            finally:
                os._exit(127)
    except OSError as error:
        ours.close()
        raise KernelError("make a pid namespace for the launcher", "", error.errno or errno.EPERM) from None
    finally:
        theirs.close()
        os.close(own)
        os.close(null)
    ours.setblocking(False)
    return ours, pidfd
