"""Namespaces, the system calls that the launcher makes, and seccomp."""

from __future__ import annotations

import errno
import importlib
import os
import struct
from functools import partial
from typing import TYPE_CHECKING

from container_runtime.doctor import reasons
from container_runtime.doctor.attempt import Failure, Refused, as_engine
from container_runtime.doctor.model import Finding
from container_runtime.kernel import filters, syscalls, uts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from container_runtime.doctor.surroundings import Surroundings

KINDS = {
    "mount": syscalls.CLONE_NEWNS,
    "uts": syscalls.CLONE_NEWUTS,
    "ipc": syscalls.CLONE_NEWIPC,
    "cgroup": syscalls.CLONE_NEWCGROUP,
    "net": syscalls.CLONE_NEWNET,
    "pid": syscalls.CLONE_NEWPID,
}
_ALLOW = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)  # BPF_RET | BPF_K with SECCOMP_RET_ALLOW, seccomp(2)


def _refused(here: Surroundings, tries: Mapping[str, Callable[[], None]], before: str) -> dict[str, Failure]:
    """Which of ``tries``, one after the other in one child, are refused; ``before`` names what comes before them."""

    def run() -> Refused:
        refused: Refused = {}
        for name, function in tries.items():
            try:
                function()
            except OSError as error:
                refused[name] = [error.strerror or str(error), error.errno or 0]
        return refused

    outcome = as_engine(here, run)
    refused: Refused = {before: [*outcome.failure]} if outcome.failure else outcome.value
    return {name: Failure(*failure) for name, failure in refused.items()}


def _missing(name: str, found: Mapping[str, reasons.Reason], cost: str) -> Finding:
    why = "; ".join(f"{what}: {reason.why}" for what, reason in found.items())
    return Finding(name, "missing", why, cost, "; ".join(dict.fromkeys(reason.remedy for reason in found.values())))


def namespaces(here: Surroundings) -> Finding:
    """Each kind of namespace that every container has."""
    refused = _refused(here, {kind: partial(syscalls.unshare, flag) for kind, flag in KINDS.items()}, "mount")
    if not refused:
        return Finding("namespaces", "ok", ", ".join(KINDS))
    found = {kind: reasons.namespace(kind, failure, here) for kind, failure in refused.items()}
    return _missing(
        "namespaces", found, "a container without one of them would see or disturb the machine's: none is started"
    )


def system_calls(here: Surroundings) -> Finding:
    """The newer system calls, which old kernels and the profiles of outer containers do not have."""
    tries = {
        "clone3": _clone3,
        "pidfd": _pidfd,
        "openat2": _openat2,
        "sethostname": _hostname,
        "pivot_root": _pivot_root,
    }
    refused = _refused(here, tries, "before them")
    if not refused:
        return Finding("system calls", "ok", ", ".join(tries))
    found = {name: reasons.refusal(failure, here) for name, failure in refused.items()}
    return _missing("system calls", found, "the launcher makes them for every container")


def _clone3() -> None:
    pid, pidfd = syscalls.clone3(syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(pidfd)


def _pidfd() -> None:
    descriptor = syscalls.pidfd_open(os.getpid())
    syscalls.pidfd_send_signal(descriptor, 0)
    os.close(descriptor)


def _openat2() -> None:
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    os.close(syscalls.openat2(root, "..", os.O_PATH))
    os.close(root)


def _hostname() -> None:
    syscalls.unshare(syscalls.CLONE_NEWUTS)
    uts.set_hostname("doctor")


def _pivot_root() -> None:
    """In this child's own mount namespace, and the last thing that it does."""
    syscalls.mount("tmpfs", "/tmp", "tmpfs")  # noqa: S108  a mount point that is everywhere
    os.chdir("/tmp")  # noqa: S108
    syscalls.pivot_root(".", ".")


def seccomp(here: Surroundings) -> Finding:
    """A filter can be loaded, and libseccomp is there to compile Docker's profile."""
    outcome = as_engine(here, lambda: filters.seccomp_set_filter(_ALLOW))
    if outcome.failure:
        reason = reasons.refusal(outcome.failure, here)
        if outcome.failure.errno == errno.EINVAL:  # seccomp(2)
            reason = reasons.Reason("this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)", "use another kernel")
        return Finding("seccomp", "missing", reason.why, "every container gets Docker's profile", reason.remedy)
    try:
        importlib.import_module("pyseccomp")
    except (ImportError, RuntimeError, OSError) as error:
        python = isinstance(error, ModuleNotFoundError)
        return Finding(
            "seccomp",
            "missing",
            "the Python package pyseccomp is not installed" if python else f"libseccomp cannot be loaded: {error}",
            "Docker's profile, which every container gets, cannot be compiled",
            "pip install pyseccomp" if python else "as root: apt-get install libseccomp2",
        )
    return Finding("seccomp", "ok", "filters can be loaded, and libseccomp is there")
