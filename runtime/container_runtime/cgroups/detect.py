"""Which cgroup hierarchies this machine has, and below which group of each a run may make its own.

The rule (docs/architecture.md): on v1 below the group that we are in; on v2 below the nearest ancestor that may have
controllers for its children, since a v2 group with processes may not (cgroups(7), "no internal processes").
Processes that are not ours are never moved.
"""

from __future__ import annotations

import os

from container_runtime.cgroups import files
from container_runtime.kernel import userns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

V1_CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "blkio", "devices", "cpuset", "freezer")
V2_CONTROLLERS = ("memory", "cpu", "pids", "io", "cpuset")
_ENOUGH = frozenset({"memory", "cpu", "pids"})


class Layout:
    """Where groups are made: ``v1`` maps a controller to a directory; ``v2`` is a directory, or empty."""

    __slots__ = ("v1", "v2", "v2_controllers")

    def __init__(self, v1: dict[str, str], v2: str, v2_controllers: frozenset[str]) -> None:
        self.v1 = v1
        self.v2 = v2
        self.v2_controllers = v2_controllers


def parse_mounts(mountinfo: str) -> tuple[dict[str, tuple[str, str]], tuple[str, str] | None]:
    """From /proc/self/mountinfo: v1 controller -> (mount point, root of the mount), and the same for v2."""
    v1: dict[str, tuple[str, str]] = {}
    v2: tuple[str, str] | None = None
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        if kind[0] == "cgroup2":
            v2 = (fields[4], fields[3])
        elif kind[0] == "cgroup":
            for option in kind[2].split(","):
                v1[option] = (fields[4], fields[3])
    return v1, v2


def parse_membership(text: str) -> tuple[dict[str, str], str]:
    """From /proc/self/cgroup: v1 controller -> path, and the path in v2 (empty where there is none)."""
    v1: dict[str, str] = {}
    v2 = ""
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            v2 = path
        for controller in controllers.split(","):
            if controller:
                v1[controller] = path
    return v1, v2


def below_mount(point: str, root: str, path: str) -> str:
    """The directory of group ``path`` in a hierarchy whose subtree ``root`` is mounted on ``point``."""
    if root not in {"", "/"} and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return point if path in {"", "/"} else point.rstrip("/") + "/" + path.strip("/")


def _enable(directory: str, wanted: Iterable[str]) -> frozenset[str]:
    """The controllers of ``wanted`` that children of ``directory`` have, after asking for those they have not."""
    try:
        offered = frozenset(files.read(directory + "/cgroup.controllers").split())
        enabled = frozenset(files.read(directory + "/cgroup.subtree_control").split())
    except OSError:
        return frozenset()
    for controller in wanted:
        if controller in offered - enabled:
            try:
                files.write(directory + "/cgroup.subtree_control", "+" + controller)
            except OSError:  # EBUSY: it has processes; EACCES: not delegated. An ancestor may do.
                continue
            enabled |= {controller}
    return enabled & frozenset(wanted)


def _find_v2(point: str, start: str, may_write: Callable[[str], bool]) -> tuple[str, frozenset[str]]:
    """From our own group upwards: the first that offers all three, else the nearest of those that offer most.

    Not every system gives its users all: systemd's user@.service has memory and pids everywhere, cpu from version 252
    on (its NEWS). A limit that needs more is an error later.
    """
    directory = start
    best, has = point if may_write(point) else "", frozenset[str]()
    while True:
        enabled = _enable(directory, V2_CONTROLLERS)
        if len(enabled) > len(has) and may_write(directory):
            best, has = directory, enabled
        if has >= _ENOUGH or directory == point or not directory.startswith(point):
            return best, has
        directory = directory.rpartition("/")[0]


def _may_write(directory: str) -> bool:
    return os.access(directory, os.W_OK)


def detect(
    mountinfo: str | None = None, membership: str | None = None, writable: Callable[[str], bool] | None = None
) -> Layout:
    """The layout of this machine; the texts, and what may be written, are given by tests."""
    may_write = writable or _may_write
    mounts_v1, mount_v2 = parse_mounts(files.read("/proc/self/mountinfo") if mountinfo is None else mountinfo)
    own_v1, own_v2 = parse_membership(files.read("/proc/self/cgroup") if membership is None else membership)
    v1: dict[str, str] = {}
    for controller in V1_CONTROLLERS:
        if controller == "devices" and userns.active():
            continue  # its rules are for the machine's root (EPERM), and no node of a user namespace opens anything
        if controller in mounts_v1 and controller in own_v1:
            point, root = mounts_v1[controller]
            directory = below_mount(point, root, own_v1[controller])
            directory = directory if os.path.isdir(directory) else point  # noqa: PTH112  pathlib is too heavy here
            if may_write(directory):
                v1[controller] = directory
    if v1 or mount_v2 is None:
        return Layout(v1, "", frozenset())
    point, root = mount_v2
    directory, controllers = _find_v2(point, below_mount(point, root, own_v2), may_write)
    return Layout({}, directory, controllers)
