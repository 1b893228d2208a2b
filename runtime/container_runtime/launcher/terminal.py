"""A process's terminal: a pair of the container's own devpts, whose master goes back to the engine.

The engine's end of a socket stands in for the three standard streams until then; the master is sent through it, as
runc does with its --console-socket.
"""

from __future__ import annotations

import _socket
import array
import errno
import os

from container_runtime.kernel import syscalls as sys

_DEVPTS = 0x1CD1  # DEVPTS_SUPER_MAGIC, linux/magic.h
_PTMX_INODE = 2  # fs/devpts/inode.c, mknod_ptmx
_PTMX_DEVICE = (5, 2)  # Documentation/admin-guide/devices.txt
_CHARACTER_DEVICE = 0o020000  # S_IFCHR, inode(7)
_TIOCSPTLCK, _TIOCGPTPEER, _TIOCSWINSZ = 0x40045431, 0x5441, 0x5414  # ioctl_tty(2)


def open_pair(root: int, path: str) -> tuple[int, int]:
    """(master that does not block, slave) of the devpts whose ``ptmx`` is at ``path`` below ``root``.

    Raises:
        OSError: there is none; ENXIO where something else lies there, put by the image or by the container
            (CVE-2025-52565).
    """
    master = sys.openat2(root, path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        status = os.fstat(master)
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        kind = status.st_mode & 0o170000
        if (kind, device, status.st_ino) != (_CHARACTER_DEVICE, _PTMX_DEVICE, _PTMX_INODE) or (
            sys.filesystem_type(master) != _DEVPTS
        ):
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO), path)
        sys.ioctl(master, _TIOCSPTLCK, (0).to_bytes(4, "little"))
        # By the master, not by name: what lies at /dev/pts/N is nobody's to choose.
        return master, sys.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        os.close(master)
        raise


def hand_over(master: int, slave: int, rows: int, columns: int) -> None:
    """Set the size, send the master through descriptor 0, and put the slave at 0, 1 and 2; closes both."""
    if rows or columns:
        sys.ioctl(master, _TIOCSWINSZ, b"".join(number.to_bytes(2, "little") for number in (rows, columns, 0, 0)))
    channel = _socket.socket(fileno=0)
    channel.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [master]))])
    channel.detach()
    os.close(master)
    for number in (0, 1, 2):
        os.dup2(slave, number, inheritable=True)
    os.close(slave)
