"""An image that stands in for ``host`` on engines that have none: busybox and this machine's Debian's Python.

python -m tests.host_image | docker import --change "$(python -m tests.host_image --change)" - host:latest
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.registry import Layer, busybox_layer

CHANGE = "ENV PATH=/usr/local/bin:/usr/bin:/bin"
PYTHON = "/usr/bin/python3"
_NOT_NEEDED = {"__pycache__", "test", "idlelib", "lib2to3", "tkinter", "ensurepip", "turtledemo", "pydoc_data"}


def archive() -> bytes:
    """The root filesystem's tar archive."""
    program = "import sys; print(sys.version_info[1])"
    minor = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    layer: Layer = busybox_layer()
    layer.program(PYTHON)
    library = Path(f"/usr/lib/python3.{minor}")
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
