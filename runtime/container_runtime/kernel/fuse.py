"""Filesystems that a program serves (linux/fuse.h): the mount apart from the program."""

from __future__ import annotations

import os

from container_runtime.kernel import syscalls


def mount(name: str, path: str, flags: int = 0) -> int:
    """Mount on ``path`` what will be served at the descriptor that is returned, an open /dev/fuse.

    The kernel checks modes and owners (``default_permissions``), for all users of our user namespace
    (``allow_other``). Options: mount.fuse3(8).

    Raises:
        OSError: the device cannot be opened, or the mount was refused.
    """
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other"
    try:
        syscalls.mount(name, path, "fuse", flags, options)
    except OSError:
        os.close(device)
        raise
    return device
