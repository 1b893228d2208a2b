"""Having an engine use one way to make root filesystems, whatever this machine would choose."""

import os
import subprocess
import sys

import pytest

_REMEMBER = """
import sys
from container_runtime.kernel import userns
from container_runtime.state import roots
if userns.needed():
    userns.enter()
roots.remember(sys.argv[1])
"""
WAYS = ["overlay", pytest.param("fuse-overlayfs", marks=pytest.mark.needs("fuse")), "copies"]


def remember(way, data):
    """Write the choice down where engines with this data directory look it up."""
    environment = {**os.environ, "PYTEST_CONTAINERS_DATA": str(data)}
    subprocess.run([sys.executable, "-c", _REMEMBER, way], env=environment, check=True, timeout=60)
