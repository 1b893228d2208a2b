"""What only root can do: the one list of tests that an ordinary user does not run, each with its reason.

Everything else runs as both. Whether a limit can be set is the machine's matter, not the user's (``limits_hold``).
"""

from __future__ import annotations

import os

import pytest

ROOT = os.geteuid() == 0

ONLY_ROOT = {
    "tests/system/test_network.py": "makes network namespaces in the test's own process; users' are tested by clients",
    "tests/system/test_network_edges.py": "the same",
    "tests/system/test_launcher.py": "speaks to the launcher from the test's own process, outside a user namespace",
    "tests/system/test_layers.py": "mounts layers in the test's own process",
    "tests/system/test_images.py": "the same",
    "tests/system/test_registry_helper.py": "the same",
    "tests/system/test_cgroup_v2.py": "unpacks Debian's archive",
}


def only_root(node: str) -> str:
    """Why an ordinary user does not run this test; empty where he does."""
    return next((reason for name, reason in ONLY_ROOT.items() if node == name or node.startswith(f"{name}::")), "")


def limits_hold() -> bool:
    """Whether this user may limit memory here: as root, or where a cgroup v2 was delegated."""
    return ROOT


needs_limits = pytest.mark.skipif(not limits_hold(), reason="no cgroup is delegated to this user")
