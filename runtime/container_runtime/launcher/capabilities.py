"""The capability sets of a container's process, as far as the engine has them itself."""

from __future__ import annotations

from container_runtime.kernel import syscalls as sys


def take(effective: int, permitted: int, inheritable: int, ambient: int) -> None:
    """The sets after the change of user, capset(2), and the ambient ones; bit n is capability number n.

    What the engine has not (it may be in a container), "ALL" and "privileged" do not give, as with Docker.
    """
    try:
        sys.capset(effective, permitted, inheritable)
    except PermissionError:
        held = sys.bounding_set()
        ambient &= held
        sys.capset(effective & held, permitted & held, inheritable & held)
    for number in range(64):
        if ambient >> number & 1:
            sys.prctl(sys.PR_CAP_AMBIENT, sys.PR_CAP_AMBIENT_RAISE, number)
