"""An image that stands in for ``host`` on engines that have none: busybox and some of this machine's programs.

python -m tests.host_image | docker import --change "$(python -m tests.host_image --change)" - host:latest
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.registry import Layer, busybox_layer

CHANGE = "ENV PATH=/usr/local/bin:/usr/bin:/bin"
PYTHON = "/usr/bin/python3"
PROGRAMS = (PYTHON, "/usr/bin/getent", "/usr/bin/printenv")
"""What tests run and Debian's busybox has not."""
_NOT_NEEDED = {"__pycache__", "test", "idlelib", "lib2to3", "tkinter", "ensurepip", "turtledemo", "pydoc_data"}


def libraries(*files: Path) -> set[Path]:
    """The shared libraries that programs and modules load, ldd(1)."""
    listed = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    words = [word for line in listed.splitlines() for word in line.split() if word.startswith("/") and ":" not in word]
    return {Path(word) for word in words}


def archive() -> bytes:
    """The root filesystem's tar archive."""
    program = "import sys; print(sys.version_info[1])"
    minor = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    layer: Layer = busybox_layer()
    library = Path(f"/usr/lib/python3.{minor}")
    layer.directory("srv", mode=0o755)
    for program in PROGRAMS:
        layer.file_of_host(os.path.realpath(program), program.lstrip("/"))
    for path in sorted(libraries(*map(Path, PROGRAMS), *library.glob("lib-dynload/*.so"))):
        layer.file_of_host(str(path))
    for path in sorted(library.rglob("*")):
        parts = set(path.relative_to(library).parts)
        if not parts & _NOT_NEEDED and path.is_file() and not any(part.startswith("config-") for part in parts):
            layer.file_of_host(str(path))
    return layer.bytes()


if __name__ == "__main__":
    if "--change" in sys.argv:
        print(CHANGE)
    else:
        sys.stdout.buffer.write(archive())
