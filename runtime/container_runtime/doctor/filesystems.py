"""The kernel's own filesystems, which every container gets anew, and device nodes."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from container_runtime.doctor import reasons
from container_runtime.doctor.attempt import Failure, Refused, as_engine, failure_of, step
from container_runtime.doctor.model import Finding
from container_runtime.doctor.surroundings import read
from container_runtime.errors import KernelError
from container_runtime.kernel import syscalls, userns

if TYPE_CHECKING:
    from container_runtime.doctor.surroundings import Surroundings

_POINT = "/tmp"  # noqa: S108  something to mount upon, in a private namespace: nothing is written there
_QUIET = syscalls.MS_NOSUID | syscalls.MS_NOEXEC | syscalls.MS_NODEV
_TTY = 5  # the group of terminals; ``launcher.operations`` leaves it out where it is not mapped


def _mount(kind: str, flags: int, data: str | None) -> None:
    with step("mount", kind):
        syscalls.mount(kind, _POINT, kind, flags, data)


def proc(here: Surroundings) -> Finding:
    """A fresh /proc, by the first process of a new pid namespace."""

    def run() -> list[Any] | None:
        reading, writing = os.pipe()
        with step("clone3"):
            pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS)
        if pid == 0:
            number = 0
            try:
                syscalls.mount("proc", _POINT, "proc", _QUIET)
                number = 0 if os.path.lexists(f"{_POINT}/1/status") else 2
            except OSError as error:
                number = error.errno or 1
            finally:
                os.write(writing, bytes([number]))
                os._exit(0)
        os.close(writing)
        answer = os.read(reading, 1)
        os.waitpid(pid, 0)
        os.close(pidfd)
        number = answer[0] if answer else 1
        return [*failure_of(KernelError("mount", "proc", number))] if number else None

    outcome = as_engine(here, run)
    if outcome.failure is None and outcome.value is None:
        return Finding("/proc", "ok", "can be mounted in a new pid namespace")
    failure = outcome.failure or Failure(*outcome.value)
    masks = reasons.covered(read("/proc/self/mountinfo"), "/proc")
    reason = reasons.kernel_filesystem("/proc", failure, here, masks)
    return Finding("/proc", "missing", reason.why, "every container has its own", reason.remedy)


def others(here: Surroundings) -> Finding:
    """tmpfs, devpts, mqueue, sysfs, as ``oci.defaults`` has them, and the device nodes of root's containers."""

    def mount() -> Refused:
        group = [f"gid={_TTY}"] if not here.needs_user_namespace or userns.mapped_ids() > _TTY else []
        wanted: list[tuple[str, int, str | None]] = [
            ("devpts", _QUIET & ~syscalls.MS_NODEV, ",".join(["newinstance,ptmxmode=0666,mode=0620", *group])),
            ("mqueue", _QUIET, None),
            ("sysfs", _QUIET | syscalls.MS_RDONLY, None),
            ("tmpfs", syscalls.MS_NOSUID, "mode=755,size=65536k"),  # last: nodes are made in it
        ]
        refused: Refused = {}
        for kind, flags, data in wanted:
            try:
                _mount(kind, flags, data)
            except KernelError as error:
                refused[kind] = [*failure_of(error)]
        if "tmpfs" not in refused and not here.needs_user_namespace:
            try:
                with step("make the device", "/dev/null"):
                    os.mknod(f"{_POINT}/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
                    os.close(os.open(f"{_POINT}/null", os.O_RDWR))
            except KernelError as error:
                refused["nodes"] = [*failure_of(error)]
        return refused

    outcome = as_engine(here, mount, syscalls.CLONE_NEWNET | syscalls.CLONE_NEWIPC)
    refused: Refused = {"tmpfs": [*outcome.failure]} if outcome.failure else outcome.value
    if not refused:
        nodes = "" if here.needs_user_namespace else ", device nodes"
        return Finding("filesystems", "ok", f"tmpfs, devpts, mqueue, sysfs{nodes}")
    masks = reasons.covered(read("/proc/self/mountinfo"), "/sys")
    found = [_reason(kind, Failure(*failure), here, masks) for kind, failure in refused.items()]
    return Finding(
        "filesystems",
        "missing",
        "; ".join(reason.why for reason in found),
        "every container has its own /dev, /dev/pts, /dev/mqueue and /sys",
        "; ".join(dict.fromkeys(reason.remedy for reason in found)),
    )


def _reason(kind: str, failure: Failure, here: Surroundings, masks: list[str]) -> reasons.Reason:
    if kind == "devpts" and failure.errno == errno.EINVAL and reasons.foreign_root(here):
        return reasons.of_foreign_root(f"{failure.message}, since group {_TTY} is not mapped")
    if kind == "sysfs":
        return reasons.kernel_filesystem("/sys", failure, here, masks)
    return reasons.refusal(failure, here, capability="CAP_MKNOD" if kind == "nodes" else "CAP_SYS_ADMIN")
