"""Limits by control groups, and the rules for devices: groups are made, limited, entered, and removed again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.cgroups.detect import below_mount, parse_membership, parse_mounts
from container_runtime.cgroups.manager import Manager
from container_runtime.doctor import reasons
from container_runtime.doctor.attempt import Failure, Refused, as_engine, failure_of, step
from container_runtime.doctor.model import Finding
from container_runtime.doctor.surroundings import read
from container_runtime.errors import KernelError
from container_runtime.kernel import syscalls

if TYPE_CHECKING:
    from container_runtime.doctor.surroundings import Surroundings

RESOURCES: dict[str, dict[str, Any]] = {
    "memory": {"memory": {"limit": 64 << 20}},
    "cpu": {"cpu": {"quota": 50000, "period": 100000}},
    "pids": {"pids": {"limit": 50}},
}
_DENY_ALL = [{"allow": False, "access": "rwm"}]
_WITHOUT = "pytest --containers-limits=warn, which starts containers without them"
# systemd.resource-control(5), "Delegate="; systemd.unit(5) for the place.
_MORE = (
    "as root: mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu memory pids\\n' >/etc/"
    "systemd/system/user@.service.d/delegate.conf && systemctl daemon-reload; then log in again"
)
_SCOPE = "systemd-run --user --scope -p Delegate=yes pytest …"


class Hierarchies(NamedTuple):
    """What is mounted: v1's controllers, v2's mount point ("" for none), the controllers that v2 offers there."""

    v1: frozenset[str]
    v2: str
    offered: frozenset[str]
    read_only: bool


def hierarchies(mountinfo: str) -> Hierarchies:
    """From the text of /proc/self/mountinfo."""
    v1, v2 = parse_mounts(mountinfo)
    wanted = [line for line in mountinfo.splitlines() if line.partition(" - ")[2].startswith("cgroup")]
    flags = [line.split(" ")[5].split(",") for line in wanted]
    point = v2[0] if v2 else ""
    offered = frozenset(read(f"{point}/cgroup.controllers").split()) if point else frozenset[str]()
    return Hierarchies(frozenset(v1), point, offered, bool(flags) and all("ro" in one for one in flags))


def why_none(missing: list[str], found: Hierarchies, here: Surroundings) -> reasons.Reason:
    """Why these controllers cannot be used."""
    if not found.v1 and not found.v2:
        return reasons.Reason(
            "no cgroup hierarchy is mounted", f"as root: mount -t cgroup2 cgroup2 /sys/fs/cgroup; or {_WITHOUT}"
        )
    if found.read_only:
        return reasons.Reason(
            "the cgroup hierarchy is mounted read-only",
            f"{reasons.allow_in_container(here, '--privileged')}; or {_WITHOUT}",
        )
    absent = [name for name in missing if name not in found.v1 and name not in found.offered]
    if absent:
        more = reasons.allow_in_container(here, "--privileged")
        return reasons.Reason(
            f"there is no cgroup controller {', '.join(absent)} here: disabled at boot, not mounted, or not given on "
            "by an outer container",
            f"boot with cgroup_enable={absent[0]}, or {more}; or {_WITHOUT}",
        )
    if found.v1 & set(missing):
        return reasons.Reason(
            f"the cgroup v1 hierarchies of {', '.join(missing)} are not this user's, and v1 is not delegated to users",
            f"run as root; or {_WITHOUT}",
        )
    if here.user and here.systemd and len(missing) < len(RESOURCES):  # the user's manager was given the others
        return reasons.Reason(
            f"systemd does not delegate {', '.join(missing)} to users here", f"{_MORE}; or {_WITHOUT}"
        )
    if here.user and here.systemd:
        return reasons.Reason("no cgroup is delegated to this user", f"{_SCOPE}; or {_WITHOUT}")
    whose = "root may not write the cgroup hierarchy" if here.user == 0 else "no cgroup is delegated to this user"
    return reasons.Reason(whose, f"run as root of the machine; or {_WITHOUT}")


def limits(here: Surroundings) -> list[Finding]:
    """Limits for memory, processors and processes; for root, the rules for devices too."""
    name = f"pytest-containers-run-{os.getpid()}-{os.urandom(3).hex()}"
    outcome = as_engine(here, lambda: _examine(name, devices=not here.needs_user_namespace))
    if outcome.failure is not None:
        as_engine(here, lambda: _manager(name).remove())  # what it did not come to remove
        reason = reasons.refusal(outcome.failure, here)
        return [Finding("limits", "missing", reason.why, "every container has a cgroup of its own", reason.remedy)]
    return findings(outcome.value, hierarchies(read("/proc/self/mountinfo")), here)


def _manager(name: str) -> Manager:
    return Manager(name, _forget)


def _forget(path: str) -> None:
    """There is no ledger: the groups are removed before the probe ends."""
    del path


def _examine(name: str, *, devices: bool) -> dict[str, Any]:
    before = _subtree_controls()
    try:
        manager = _manager(name)
        try:
            return _use(manager, devices=devices)
        finally:
            manager.remove()
    finally:
        _restore(before)


def _use(manager: Manager, *, devices: bool) -> dict[str, Any]:
    layout = manager.layout
    found: dict[str, Any] = {"version": "v2" if layout.v2 else "v1" if layout.v1 else "", "refused": {}}
    for kind, resources in RESOURCES.items():
        try:
            manager.create(kind, resources).remove()
        except OSError as error:
            found["refused"][kind] = [*failure_of(error)]
    try:
        _enter(manager)
    except (OSError, KernelError) as error:
        found["entry"] = [*failure_of(error)]
    if devices:
        found["devices"] = None if layout.v2 or "devices" in layout.v1 else [*Failure("no devices controller")]
        try:
            manager.begin("devices", _DENY_ALL).remove()
        except OSError as error:
            found["devices"] = [*failure_of(error)]
    return found


def _enter(manager: Manager) -> None:
    """Have a process enter a group in the way that a container's first one does."""
    group = manager.begin("enter", [])
    directory = group.open()
    with step("clone3 into a cgroup" if directory is not None else "clone3"):
        pid, pidfd = syscalls.clone3(0, directory)
    if pid == 0:
        number = 0
        try:
            for path in group.task_files:
                descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
                os.write(descriptor, b"0")
        except OSError as error:
            number = error.errno or 1
        finally:
            os._exit(number)  # there is no errno above 255
    status = os.waitpid(pid, 0)[1]
    os.close(pidfd)
    if directory is not None:
        os.close(directory)
    group.remove()
    number = os.waitstatus_to_exitcode(status)
    if number:
        raise OSError(number, os.strerror(number), ", ".join(group.task_files))


def _subtree_controls() -> dict[str, frozenset[str]]:
    """What v2's groups from ours upwards give to their children: looking for a place may add to it (``detect``)."""
    v2 = parse_mounts(read("/proc/self/mountinfo"))[1]
    if v2 is None:
        return {}
    point, root = v2
    directory = Path(below_mount(point, root, parse_membership(read("/proc/self/cgroup"))[1]))
    files = [f"{one}/cgroup.subtree_control" for one in (directory, *directory.parents) if str(one).startswith(point)]
    return {path: frozenset(read(path).split()) for path in files}


def _restore(before: dict[str, frozenset[str]]) -> None:
    for path, controllers in before.items():
        for added in frozenset(read(path).split()) - controllers:
            with suppress(OSError):  # EBUSY: an engine that has been started meanwhile uses it
                Path(path).write_text(f"-{added}")


def findings(found: dict[str, Any], mounted: Hierarchies, here: Surroundings) -> list[Finding]:
    """What ``_examine`` found, as findings."""
    result = [_limits(found, mounted, here)]
    if "devices" in found:
        result.append(_devices(found, mounted, here))
    return result


def _limits(found: dict[str, Any], mounted: Hierarchies, here: Surroundings) -> Finding:
    if found.get("entry"):
        reason = reasons.refusal(Failure(*found["entry"]), here)
        why = f"a cgroup can be made, but not entered: {reason.why}"
        return Finding("limits", "missing", why, "the first process of a container enters its cgroup", reason.remedy)
    refused: Refused = found["refused"]
    works = [kind for kind in RESOURCES if kind not in refused]
    if not refused:
        return Finding("limits", "ok", f"{', '.join(works)}, by cgroup {found['version']}")
    reason = why_none([*refused], mounted, here)
    if found["version"] and not mounted.read_only and works:
        first = Failure(*next(iter(refused.values())))
        reason = reasons.Reason(f"{reason.why} ({first.message})", reason.remedy)
    kept = f"; {', '.join(works)} can be limited" if works else ""
    return Finding(
        "limits",
        "limited",
        reason.why,
        f"starting a container with a limit of {', '.join(refused)} is an error{kept}; without limits all start",
        reason.remedy,
    )


def _devices(found: dict[str, Any], mounted: Hierarchies, here: Surroundings) -> Finding:
    if found["devices"] is None:
        how = "by an eBPF program" if found["version"] == "v2" else "by the devices controller"
        return Finding("device rules", "ok", how)
    failure = Failure(*found["devices"])
    if not failure.errno:
        return Finding(
            "device rules",
            "limited",
            f"{failure.message} can be written",
            "root in a container can make nodes of all devices of the machine, and open them where a mount allows it",
            reasons.allow_in_container(here, "--privileged")
            if mounted.read_only
            else "as root: mkdir -p /sys/fs/cgroup/devices && mount -t cgroup -o devices cgroup /sys/fs/cgroup/devices",
        )
    reason = reasons.refusal(failure, here)
    return Finding("device rules", "missing", reason.why, "no container is started without them", reason.remedy)
