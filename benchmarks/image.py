"""The image that all engines run: a static busybox and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "pytest-containers-benchmark:1"
APPLETS = ("sh", "true", "echo", "sleep", "httpd", "cat")


def build_tree(directory: Path) -> Path:
    """Make a root filesystem; needs the package busybox-static."""
    busybox = shutil.which("busybox")
    if not busybox or "statically" not in _kind(busybox):
        raise SystemExit("benchmarks: no static busybox here: install the package busybox-static")
    root = directory / "rootfs"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "www"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    return root


def _kind(path: str) -> str:
    """A static program names no interpreter."""
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    return "statically" if listed.returncode else listed.stdout + listed.stderr


def pack(root: Path) -> Path:
    """Return a tarball of the tree."""
    path = root.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        archive.add(root, arcname=".")
    return path
