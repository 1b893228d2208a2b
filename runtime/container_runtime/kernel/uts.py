"""The names of a UTS namespace (uts_namespaces(7)), in two ways."""

from __future__ import annotations

import os

from container_runtime.kernel import syscalls

_FILES = "/proc/sys/kernel/"


def set_hostname(name: str) -> None:
    """sethostname(2), or the same by the file in /proc; PermissionError where both are forbidden."""
    try:
        syscalls.sethostname(name)
    except PermissionError:
        if not _write("hostname", name):
            raise


def set_domainname(name: str) -> None:
    """setdomainname(2) likewise."""
    try:
        syscalls.setdomainname(name)
    except PermissionError:
        if not _write("domainname", name):
            raise


def _write(file: str, name: str) -> bool:
    """Whether it could be written: it is the machine's root's, and shows the names of whoever opens it.

    Podman's seccomp profile forbids the calls to who has no CAP_SYS_ADMIN when a container starts, whatever a process
    of it has got since in a user namespace of its own (containers/common, pkg/seccomp/seccomp.json).
    """
    try:
        descriptor = os.open(_FILES + file, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, os.fsencode(name))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
