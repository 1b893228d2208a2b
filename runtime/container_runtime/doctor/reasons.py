"""Why something was refused, and the command that mends it, chosen from what is known: pure functions."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from container_runtime.doctor.attempt import Failure
    from container_runtime.doctor.surroundings import Surroundings

_DENIED = (errno.EPERM, errno.EACCES)
_NAMES = {"mount": "mnt"}  # what sysctls call a namespace


_AS_USER = "setpriv --bounding-set=-sys_admin pytest …"  # kernel.userns.needed: root without CAP_SYS_ADMIN
# Directories of proc and sysfs that are always empty, on which mounts hide nothing (sysfs_create_mount_point() and
# proc_create_mount_point() in the kernel).
_EMPTY = ("/sys/fs/", "/sys/kernel/config", "/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing",
          "/sys/firmware/efi/efivars", "/sys/hypervisor/s390", "/proc/fs/nfsd", "/proc/sys/fs/binfmt_misc",
          "/proc/openprom")  # fmt: skip


class Reason(NamedTuple):
    """Why, and what to do."""

    why: str
    remedy: str


def allow_in_container(here: Surroundings, option: str) -> str:
    """The command that starts the outer container with more rights; ``option`` is Docker's and Podman's."""
    if here.container == "kubernetes":
        return f"set in the pod's securityContext what corresponds to `docker run {option}`, or privileged: true"
    engine = here.container if here.container in {"docker", "podman"} else "docker"
    return f"start the outer container with more rights: {engine} run {option} …"


def user_namespaces(failure: Failure, here: Surroundings) -> Reason:
    """Why no user namespace could be made or used (user_namespaces(7))."""
    sysctls = here.sysctls
    if failure.step == "make a user namespace":
        return _no_user_namespace(failure, here)
    # Ubuntu, from 24.04 on: the call passes, and the capabilities in the namespace are denied.
    if sysctls.get("kernel.apparmor_restrict_unprivileged_userns") == "1":
        return Reason(
            "AppArmor takes the rights in user namespaces away: "
            f"kernel.apparmor_restrict_unprivileged_userns is 1 ({failure.message})",
            _sysctl("kernel.apparmor_restrict_unprivileged_userns=0"),
        )
    if here.seccomp or here.container:
        return Reason(
            f"{failure.message}: the outer container's seccomp or AppArmor profile forbids it",
            allow_in_container(here, "--security-opt seccomp=unconfined --security-opt apparmor=unconfined"),
        )
    return Reason(failure.message, "run as root")


def _no_user_namespace(failure: Failure, here: Surroundings) -> Reason:
    sysctls, number = here.sysctls, failure.errno
    most = sysctls.get("user.max_user_namespaces", "")
    if most == "0":
        return Reason("user.max_user_namespaces is 0", _sysctl("user.max_user_namespaces=15000"))
    if number == errno.ENOSPC:
        return Reason(
            f"all user namespaces that user.max_user_namespaces allows ({most or 'unknown'}) are in use",
            _sysctl(f"user.max_user_namespaces={2 * int(most) if most.isdigit() else 15000}"),
        )
    if sysctls.get("kernel.unprivileged_userns_clone") == "0":
        return Reason("kernel.unprivileged_userns_clone is 0", _sysctl("kernel.unprivileged_userns_clone=1"))
    if number == errno.EINVAL:
        return Reason("this kernel has no user namespaces (CONFIG_USER_NS)", "run as root, or use another kernel")
    if number == errno.EUSERS:
        return Reason("user namespaces are nested too deep here (32 at most)", "run outside of some of them")
    if here.chroot:
        return Reason("a process in a chroot may make no user namespace", "run outside of the chroot, or as root")
    if here.seccomp:
        return Reason(
            "a seccomp profile forbids unshare(2), as that of an outer container does",
            allow_in_container(here, "--security-opt seccomp=unconfined") + "; or run as root there with --privileged",
        )
    return Reason(
        f"{failure.message}, and no sysctl, seccomp profile or chroot is the reason: a security module may be",
        "run as root, or see `dmesg` and `journalctl -k` for the module that refused",
    )


def _sysctl(assignment: str) -> str:
    return f"as root, on the machine: sysctl -w {assignment}"


def refusal(failure: Failure, here: Surroundings, *, capability: str = "CAP_SYS_ADMIN", modules: str = "") -> Reason:
    """Why the kernel refused a step that the engine needs; ``modules``: those that the step is a part of."""
    number = failure.errno
    if number in _DENIED:
        return _denied(failure, here, capability)
    if number == errno.ENOSYS:
        return Reason(
            f"{failure.message}: this kernel does not have it, or the seccomp profile of an outer container is older",
            allow_in_container(here, "--security-opt seccomp=unconfined")
            if here.seccomp
            else "use Linux 5.11 or later",
        )
    if number == errno.EROFS:
        return Reason(f"{failure.message}: it is mounted read-only here", allow_in_container(here, "--privileged"))
    if modules and number in {
        errno.ENODEV, errno.EOPNOTSUPP, errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EINVAL
    }:  # fmt: skip
        return Reason(
            f"{failure.message}: the kernel does not have, or has not loaded, {modules.replace(' ', ', ')}",
            f"as root, on the machine: modprobe -a {modules}",
        )
    return Reason(failure.message, "run as root" if here.user else "see `dmesg` for what the kernel says")


def _denied(failure: Failure, here: Surroundings, capability: str) -> Reason:
    if not here.needs_user_namespace and not here.has(capability):
        return Reason(
            f"{failure.message}: root has no {capability} here",
            allow_in_container(here, f"--cap-add {capability.removeprefix('CAP_')}")
            + f"; or let the engine make a user namespace of its own: {_AS_USER}",
        )
    if here.apparmor.endswith("(enforce)"):
        return Reason(
            f"{failure.message}: the AppArmor profile {here.apparmor.removesuffix('(enforce)').strip()} forbids it",
            allow_in_container(here, "--security-opt apparmor=unconfined"),
        )
    if foreign_root(here):
        return of_foreign_root(failure.message)
    if here.seccomp:
        return Reason(
            f"{failure.message}: probably by the seccomp profile of an outer container",
            allow_in_container(here, "--security-opt seccomp=unconfined"),
        )
    return Reason(failure.message, "run as root" if here.user else "see `dmesg` for the security module that refused")


def foreign_root(here: Surroundings) -> bool:
    """Whether we are root of a user namespace that somebody else made: the engine takes us for the machine's."""
    return not here.needs_user_namespace and not here.all_ids


def of_foreign_root(what: str) -> Reason:
    """The reason for whatever root of a user namespace may not do."""
    return Reason(
        f"{what}: this root is one of a user namespace (/proc/self/uid_map), not of the machine",
        f"let the engine make a user namespace of its own: {_AS_USER}",
    )


def namespace(kind: str, failure: Failure, here: Surroundings) -> Reason:
    """Why a namespace of one kind could not be made (unshare(2))."""
    if failure.errno == errno.ENOSPC:
        name = f"user.max_{_NAMES.get(kind, kind)}_namespaces"
        value = here.sysctls.get(name, "")
        used = "is 0" if value == "0" else f"({value or 'unknown'}) is reached"
        return Reason(f"{name} {used}", _sysctl(f"{name}=15000" if value == "0" else f"{name}=100000"))
    if failure.errno == errno.EINVAL:
        return Reason(f"this kernel has no {kind} namespaces (CONFIG_{kind.upper()}_NS)", "use another kernel")
    return refusal(failure, here)


def covered(mountinfo: str, top: str) -> list[str]:
    """What is hidden below ``top``, as by an engine that masks parts of an outer container's /proc."""
    points = {line.split(" ")[4] for line in mountinfo.splitlines() if line.count(" ") > 4}
    return sorted(point for point in points if point.startswith(top + "/") and not point.startswith(_EMPTY))


def kernel_filesystem(kind: str, failure: Failure, here: Surroundings, masks: Iterable[str]) -> Reason:
    """Why proc or sysfs could not be mounted; ``masks`` is what lies on the one that is there.

    In a user namespace the kernel allows a new one only where one is to be seen whole (mount_too_revealing() in
    fs/namespace.c).
    """
    over = list(masks)
    if here.needs_user_namespace and failure.errno in _DENIED and over:
        shown = ", ".join(over[:3]) + (" …" if len(over) > 3 else "")
        unmask = "unmask=ALL" if here.container == "podman" else "systempaths=unconfined"
        return Reason(
            f"parts of this one are masked ({shown}), and the kernel refuses a new {kind} that would show them",
            allow_in_container(here, f"--security-opt {unmask}"),
        )
    return refusal(failure, here)
