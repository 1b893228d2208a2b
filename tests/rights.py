"""What only root can do: the one list of tests that an ordinary user does not run, each with its reason.

Everything else runs as both. Tests marked ``needs(right)`` want one of RIGHTS, which some users have and some not.
"""

from __future__ import annotations

import functools
import os
import shutil
from typing import TYPE_CHECKING

from container_runtime.cgroups.detect import detect
from container_runtime.kernel import userns

if TYPE_CHECKING:
    import pytest

ROOT = os.geteuid() == 0

ONLY_ROOT = {
    "tests/system/test_network.py": "makes network namespaces in the test's own process; users' are tested by clients",
    "tests/system/test_network_edges.py": "the same",
    "tests/system/test_launcher.py": "speaks to the launcher from the test's own process, outside a user namespace",
    "tests/system/test_execing.py": "the same",
    "tests/system/test_layers.py": "mounts layers in the test's own process",
    "tests/system/test_images.py": "the same",
    "tests/system/test_registry_helper.py": "the same",
    "tests/clients/test_testcontainers.py::test_pytest_docker_tools": "it takes containers' own addresses, "
    "which are inside a user's engine, as inside rootless Docker",
    "tests/differential": "Docker 28.5 is run by root only",
    "tests/system/test_cgroup_v2.py": "unpacks Debian's archive",
}


def only_root(node: str) -> str:
    """Why an ordinary user does not run this test; empty where he does."""
    return next(
        (why for name, why in ONLY_ROOT.items() if node == name or node.startswith((f"{name}::", f"{name}/"))), ""
    )


RIGHTS = {
    "ordinary": "it is about what an ordinary user may not do",
    "root": "the test itself becomes another user, or drops capabilities",
    "limits": "no control group is delegated to this user",
    "fuse": "/dev/fuse is for root alone on this machine",
    "tun": "/dev/net/tun is for root alone on this machine",
    "other-users": "this user has no subordinate ids, so that containers have one user",
}


_DEVICES = {"fuse": "/dev/fuse", "tun": "/dev/net/tun"}


@functools.cache
def has(right: str) -> bool:
    """Whether this process has one of RIGHTS; root has all but that of being an ordinary user."""
    if right == "ordinary":
        return not ROOT
    if ROOT or right == "root":
        return ROOT
    if right in _DEVICES:
        return os.access(_DEVICES[right], os.R_OK | os.W_OK)
    if right == "limits":
        return bool(detect().v1 or detect().v2)
    return userns.subordinate_ranges(os.geteuid()) is not None and shutil.which("newuidmap") is not None


def missing(item: pytest.Item) -> str:
    """The reason why this process does not run a test; empty where it does."""
    wanted = [mark.args[0] for mark in item.iter_markers("needs")]
    return (not ROOT and only_root(item.nodeid)) or next((RIGHTS[right] for right in wanted if not has(right)), "")
