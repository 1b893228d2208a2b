"""The groups of one run: made before a container starts, entered by its first process, removed after its last.

One class for both versions; what differs is which files are written (``limits``), how a process gets in, and where
the devices rules go. Used by the launcher, so it imports little.
"""

from __future__ import annotations

import os

from container_runtime.cgroups import device_filter, files, freezer
from container_runtime.cgroups.detect import detect
from container_runtime.cgroups.limits import device_line, v1_settings, v2_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from container_runtime.cgroups.detect import Layout
    from container_runtime.cgroups.limits import Setting


_USUAL_V1 = ("memory", "cpu", "cpuacct", "pids", "blkio", "devices")
"""The controllers that every container is in, cpuacct and blkio for what they count.

The others cost a directory where they are asked for.
"""


class LimitError(OSError):
    """A limit that cannot be enforced; ``filename`` is what would have to be written, ``strerror`` why not."""


def _write(path: str, value: str) -> None:
    try:
        files.write(path, value)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LimitError(error.errno, f"{error.strerror} for the value {value}", path) from None


class Group:
    """The directories of one container: one a controller on v1, one in all on v2."""

    __slots__ = ("_v1", "directories", "parent", "places")

    def __init__(self, *, v1: bool) -> None:
        self.directories: list[str] = []
        self.places: dict[str, str] = {}
        self._v1 = v1
        self.parent = ""
        """The group that it was asked to be in, in the form of ``Manager.create``."""

    def add(self, controllers: Iterable[str], directory: str) -> bool:
        """Note that ``directory`` is the group's for these controllers; whether it has yet to be made."""
        for controller in controllers:
            self.places[controller] = directory
        if directory in self.directories:
            return False
        self.directories.append(directory)
        return True

    @property
    def task_files(self) -> list[str]:
        """What a process writes "0" to in order to be in the group; on v2 nothing, it is born there.

        ``tasks`` and not ``cgroup.procs``: a thread that moves itself alone does so without the lock over all forks
        of the machine, whose first writer waits for an RCU grace period, 3 to 6 ms (kernel: kernel/cgroup/cgroup.c,
        cgroup_procs_write_start). The process has one thread, so that both say the same.
        """
        return [directory + "/tasks" for directory in self.directories] if self._v1 else []

    def open(self) -> int | None:
        """On v2 a descriptor for CLONE_INTO_CGROUP; on v1 None: the child writes itself into ``task_files``."""
        if self._v1 or not self.directories:
            return None
        return os.open(self.directories[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def oom_killed(self) -> bool:
        """Whether the kernel killed a process of the group for its memory limit (``oom_kill`` counts them)."""
        for directory in self.directories:
            for name in ("/memory.oom_control", "/memory.events"):
                try:
                    text = files.read(directory + name)
                except OSError:
                    continue
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

    def create(self, identity: str, resources: dict[str, Any], parent: str = "") -> Group:
        """Make the group of container ``identity`` with its limits, below ``parent`` where that is given.

        A parent that is there, below the group that the engine makes its own in, is used; else it is made below those
        of this run, and removed with them.

        Raises:
            LimitError: a limit was asked for that cannot be enforced here; nothing is left.
        """
        group = self.begin(identity, resources.get("devices") or [], parent)
        try:
            self.limit(group, resources)
        except OSError:
            group.remove()
            raise
        return group

    def begin(self, name: str, devices: list[dict[str, Any]], parent: str = "") -> Group:
        """Make a group of the usual controllers with its devices rules and no limits yet."""
        if not self._ready:
            self._prepare()
        group = Group(v1=not self.layout.v2)
        group.parent = parent
        try:
            if self.layout.v2:
                self._begin_v2(group, f"{self._above(self.layout.v2, parent)}/{name}", devices)
            else:
                self._add_v1(group, _USUAL_V1, name)
                for rule in devices if "devices" in group.places else []:
                    allow = "allow" if rule.get("allow") else "deny"
                    _write(f"{group.places['devices']}/devices.{allow}", device_line(rule))
        except OSError:
            group.remove()
            raise
        return group

    def _add_v1(self, group: Group, controllers: Iterable[str], name: str) -> None:
        for controller in controllers:
            base = self.layout.v1.get(controller)
            if base is None:
                continue
            above = self._above(base, group.parent)
            directory = f"{above}/{name}"
            if group.add([controller], directory):
                os.mkdir(directory, 0o755)  # noqa: PTH102
            if controller == "cpuset":
                _inherit_cpuset(above, directory)

    def _above(self, base: str, parent: str) -> str:
        """The directory that a container's group is made in."""
        if not parent:
            return f"{base}/{self.name}"
        if os.path.isdir(f"{base}/{parent}"):  # noqa: PTH112
            self._share(f"{base}/{parent}")
            return f"{base}/{parent}"
        directory = f"{base}/{self.name}"
        for part in parent.split("/"):
            above, directory = directory, f"{directory}/{part}"
            if not os.path.isdir(directory):  # noqa: PTH112
                os.mkdir(directory, 0o755)  # noqa: PTH102
                if os.path.exists(directory + "/cpuset.cpus") and not self.layout.v2:  # noqa: PTH110
                    _inherit_cpuset(above, directory)
                self._share(directory)
        return directory

    def _share(self, directory: str) -> None:
        """v2: the groups below get the controllers too (cgroup-v2.rst, "Top-down Constraint")."""
        if self.layout.v2:
            for controller in self.layout.v2_controllers:
                _write(directory + "/cgroup.subtree_control", "+" + controller)

    def _begin_v2(self, group: Group, directory: str, devices: list[dict[str, Any]]) -> None:
        group.add(self.layout.v2_controllers, directory)
        os.mkdir(directory, 0o755)  # noqa: PTH102
        if devices:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                device_filter.attach(descriptor, device_filter.assemble(devices))
            finally:
                os.close(descriptor)

    def limit(self, group: Group, resources: dict[str, Any]) -> list[str]:
        """Set limits; returns the ``task_files`` that came along, of controllers that are used only where asked for.

        Raises:
            LimitError: as ``create``; the group is the caller's to remove.
        """
        before = len(group.directories)
        if self.layout.v2:
            self._apply(v2_settings(resources), group.places)
            return []
        settings = v1_settings(resources)
        if _raised(group, settings):  # memory and swap together may never be below memory (memory.rst, "memsw")
            settings[:2] = settings[1::-1]
        name = group.directories[0].rpartition("/")[2] if group.directories else ""
        self._add_v1(group, {setting[0] for setting in settings} - group.places.keys() if name else (), name)
        self._apply(settings, group.places)
        return group.task_files[before:]

    def update(self, group: Group, resources: dict[str, Any]) -> None:
        """Change the limits of a group that has processes.

        Raises:
            LimitError: one cannot be enforced; those before it are.
        """
        before = [*group.directories]
        self.limit(group, resources)
        for directory in group.directories[len(before) :]:  # v1: of a controller that nothing was asked of before
            freezer.gather(directory, before[:1])

    def freezer_file(self, group: Group) -> str:
        """The file that freezes the group; on v1 all its processes are in the freezer's group from now on.

        Raises:
            LimitError: there is no freezer for this user.
        """
        if self.layout.v2 and group.directories:
            return f"{group.directories[0]}/{freezer.V2_FILE}"
        if "freezer" not in self.layout.v1 or not group.directories:
            raise LimitError(95, "no cgroup freezer for this user on this machine", freezer.V1_FILE)
        if "freezer" not in group.places:
            others = group.directories[:1]
            self._add_v1(group, ["freezer"], group.directories[0].rpartition("/")[2])
            freezer.gather(group.places["freezer"], others)
        return f"{group.places['freezer']}/{freezer.V1_FILE}"

    def _apply(self, settings: list[Setting], places: dict[str, str]) -> None:
        for controller, file, value in settings:
            if controller not in places:
                raise LimitError(
                    95,
                    f"no cgroup controller {controller!r} for this user on this machine (pytest-containers doctor says "
                    "what would help; --containers-limits=warn does without)",
                    file,
                )
            path = f"{places[controller]}/{file}"
            swap = "swap" in file or "memsw" in file
            if swap and not os.path.exists(path):  # noqa: PTH110
                continue  # A kernel without swap accounting: then there is no swap to be limited (as Docker warns).
            _write(path, value)

    def remove(self) -> None:
        """Remove the parents with all that is below, once no process is left."""
        for parent in self.parents:
            remove_tree(parent)


def _raised(group: Group, settings: list[Setting]) -> bool:
    """Whether the first two settings are v1's memory limits and more than what holds now, as an update may have it."""
    names = [setting[1] for setting in settings[:2]]
    if names != ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"] or "memory" not in group.places:
        return False
    path = f"{group.places['memory']}/{names[0]}"
    return int(settings[0][2]) > int(files.read(path))


def _inherit_cpuset(parent: str, child: str) -> None:
    """A new v1 cpuset has no cpus and no memory nodes, and takes no process until it has (cpuset(7))."""
    for name in ("/cpuset.cpus", "/cpuset.mems"):
        _write(child + name, files.read(parent + name).strip())
