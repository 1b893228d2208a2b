"""Overlays as containers have them, mounted in a probe's own mount namespace and used a little."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from container_runtime.doctor.attempt import step
from container_runtime.images import host, host_parts
from container_runtime.images.files import opaque_attribute, remove_tree
from container_runtime.kernel import syscalls

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def _escape(path: str) -> str:
    """A path in an option: a colon separates layers, a comma options (overlayfs.rst)."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


@contextmanager
def _mounted(directory: Path, lower: list[str], *, in_namespace: bool) -> Generator[Path]:
    for name in ("upper", "work", "merged"):
        (directory / name).mkdir(parents=True)
    options = [
        "lowerdir=" + ":".join(_escape(path) for path in lower),
        f"upperdir={_escape(f'{directory}/upper')}",
        f"workdir={_escape(f'{directory}/work')}",
        "volatile",
    ]
    if in_namespace:
        options.append("userxattr")
    merged = directory / "merged"
    with step("mount an overlay in", str(directory.parent.parent)):
        syscalls.mount("overlay", str(merged), "overlay", syscalls.MS_NODEV, ",".join(options))
    try:
        yield merged
    finally:
        syscalls.umount(str(merged), syscalls.MNT_DETACH)


def layer_overlay(directory: Path, *, in_namespace: bool) -> str:
    """Mount one with a writable layer in ``directory``, and change files.

    Returns why a directory could not be replaced, which takes an attribute of the filesystem; else nothing.

    Raises:
        OSError: a change of another kind was refused.
        KernelError: the mount was.
    """
    lower = directory / "lower"
    (lower / "replaced").mkdir(parents=True)
    (lower / "replaced" / "old").write_text("old")
    (lower / "changed").write_text("old")
    (lower / "removed").write_text("old")
    with _mounted(directory, [str(lower)], in_namespace=in_namespace) as merged:
        (merged / "changed").write_text("new")  # copied up
        (merged / "removed").unlink()  # a whiteout, mknod(2) with 0:0
        try:
            (merged / "replaced" / "old").unlink()
            (merged / "replaced").rmdir()
            (merged / "replaced").mkdir()  # an opaque directory, setxattr(2)
        except OSError as error:
            return error.strerror or str(error)
    return ""


def host_overlay(directory: Path, *, in_namespace: bool) -> str:
    """Mount one over the machine's own directories, as image ``host`` does; returns where its layer would lie.

    Raises:
        EngineError: there is no place for the layer.
        OSError: something was refused.
    """
    # The place is chosen by code of the images that has no public name.
    chosen = host_parts.place() if in_namespace else host.place()
    over = chosen / f".doctor-{os.getpid()}-{os.urandom(4).hex()}"
    below = host_parts.directories(host_parts.mount_points())[0] if in_namespace else "/"
    try:
        over.mkdir(mode=0o700)
        (over / "hidden").mkdir()
        os.setxattr(over / "hidden", opaque_attribute(), b"y")
        os.mknod(over / "absent", stat.S_IFCHR, os.makedev(0, 0))
        with _mounted(directory, [str(over), below], in_namespace=in_namespace) as merged:
            if (merged / "absent").exists() or not (merged / "hidden").is_dir():
                raise OSError(errno.EIO, "an overlay does not hide what its upper layer hides", str(chosen))
    finally:
        remove_tree(over)
    return str(chosen)
