"""The groups of one run: made before a container starts, entered by its first process, removed after its last.

One class for both versions; what differs is which files are written (``limits``), how a process gets in, and where
the devices rules go. Used by the launcher, so it imports little.
"""

from __future__ import annotations

import os

from container_runtime.cgroups import device_filter
from container_runtime.cgroups.detect import detect
from container_runtime.cgroups.limits import device_line, v1_settings, v2_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from container_runtime.cgroups.detect import Layout
    from container_runtime.cgroups.limits import Setting


class LimitError(OSError):
    """A limit that cannot be enforced; ``filename`` is what would have to be written, ``strerror`` why not."""


def _write(path: str, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    except OSError as error:
        raise LimitError(error.errno, f"{error.strerror} for the value {value}", path) from None
    finally:
        os.close(descriptor)


class Group:
    """The directories of one container: one a controller on v1, one in all on v2."""

    __slots__ = ("_v1", "directories", "procs_files")

    def __init__(self, directories: list[str], *, v1: bool) -> None:
        self.directories = directories
        self._v1 = v1
        self.procs_files = [directory + "/cgroup.procs" for directory in directories] if v1 else []

    def open(self) -> int | None:
        """On v2 a descriptor for CLONE_INTO_CGROUP; on v1 None: the child writes itself into ``procs_files``."""
        if self._v1 or not self.directories:
            return None
        return os.open(self.directories[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def oom_killed(self) -> bool:
        """Whether the kernel killed a process of the group for its memory limit (``oom_kill`` counts them)."""
        for directory in self.directories:
            for name in ("/memory.oom_control", "/memory.events"):
                try:
                    descriptor = os.open(directory + name, os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    continue
                text = os.read(descriptor, 4096).decode()
                os.close(descriptor)
                return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in text.splitlines())
        return False

    def remove(self) -> None:
        """Remove the directories; one that still has processes stays for the sweep."""
        for directory in self.directories:
            remove_tree(directory)


def remove_tree(directory: str) -> None:
    """rmdir a group and the groups below it, deepest first; what has gone, or is busy, is left."""
    try:
        os.rmdir(directory)  # noqa: PTH106  pathlib is too heavy for the launcher
    except FileNotFoundError:
        return
    except OSError:
        try:
            below = [entry.path for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return
        for path in below:
            remove_tree(path)
        if below:
            try:
                os.rmdir(directory)  # noqa: PTH106
            except OSError:
                return


class Manager:
    """Makes the groups of one run below one parent group named ``name``."""

    def __init__(self, name: str, record: Callable[[str], None], layout: Layout | None = None) -> None:
        """``record`` is called with each parent directory before it is made (the ledger)."""
        self.layout = detect() if layout is None else layout
        self.name = name
        self._record = record
        self._ready = False

    @property
    def parents(self) -> list[str]:
        """The parent directories of this run."""
        if self.layout.v2:
            return [self.layout.v2 + "/" + self.name]
        # Two controllers in one hierarchy (cpu,cpuacct) are one directory.
        return list(dict.fromkeys(base + "/" + self.name for base in self.layout.v1.values()))

    def _prepare(self) -> None:
        for parent in self.parents:
            self._record(parent)
            try:
                os.mkdir(parent, 0o755)  # noqa: PTH102
            except FileExistsError:
                continue
        if self.layout.v2:
            for controller in self.layout.v2_controllers:
                _write(self.parents[0] + "/cgroup.subtree_control", "+" + controller)
        if "cpuset" in self.layout.v1:
            _inherit_cpuset(self.layout.v1["cpuset"], self.layout.v1["cpuset"] + "/" + self.name)
        self._ready = True

    def create(self, identity: str, resources: dict[str, Any]) -> Group:
        """Make the group of container ``identity`` with its limits.

        Raises:
            LimitError: a limit was asked for that cannot be enforced here; nothing is left.
        """
        if not self._ready:
            self._prepare()
        return self._create_v2(identity, resources) if self.layout.v2 else self._create_v1(identity, resources)

    def _create_v1(self, identity: str, resources: dict[str, Any]) -> Group:
        settings = v1_settings(resources)
        controllers = {"memory", "cpu", "pids", "devices"} | {setting[0] for setting in settings}
        places = {
            name: f"{self.layout.v1[name]}/{self.name}/{identity}" for name in controllers & self.layout.v1.keys()
        }
        group = Group(list(dict.fromkeys(places.values())), v1=True)
        try:
            for directory in group.directories:
                os.mkdir(directory, 0o755)  # noqa: PTH102
            if "cpuset" in places:
                _inherit_cpuset(f"{self.layout.v1['cpuset']}/{self.name}", places["cpuset"])
            self._apply(settings, places)
            for rule in (resources.get("devices") or []) if "devices" in places else []:
                _write(f"{places['devices']}/devices.{'allow' if rule.get('allow') else 'deny'}", device_line(rule))
        except OSError:
            group.remove()
            raise
        return group

    def _create_v2(self, identity: str, resources: dict[str, Any]) -> Group:
        directory = f"{self.layout.v2}/{self.name}/{identity}"
        group = Group([directory], v1=False)
        try:
            os.mkdir(directory, 0o755)  # noqa: PTH102
            self._apply(v2_settings(resources), dict.fromkeys(self.layout.v2_controllers, directory))
            if resources.get("devices"):
                descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    device_filter.attach(descriptor, device_filter.assemble(resources["devices"]))
                finally:
                    os.close(descriptor)
        except OSError:
            group.remove()
            raise
        return group

    def _apply(self, settings: list[Setting], places: dict[str, str]) -> None:
        for controller, file, value in settings:
            if controller not in places:
                raise LimitError(95, f"no cgroup controller {controller!r} for this user on this machine", file)
            path = f"{places[controller]}/{file}"
            swap = "swap" in file or "memsw" in file
            if swap and not os.path.exists(path):  # noqa: PTH110
                continue  # A kernel without swap accounting: then there is no swap to be limited (as Docker warns).
            _write(path, value)

    def remove(self) -> None:
        """Remove the parents with all that is below, once no process is left."""
        for parent in self.parents:
            remove_tree(parent)


def _inherit_cpuset(parent: str, child: str) -> None:
    """A new v1 cpuset has no cpus and no memory nodes, and takes no process until it has (cpuset(7))."""
    for name in ("/cpuset.cpus", "/cpuset.mems"):
        descriptor = os.open(parent + name, os.O_RDONLY | os.O_CLOEXEC)
        value = os.read(descriptor, 4096).decode().strip()
        os.close(descriptor)
        _write(child + name, value)
