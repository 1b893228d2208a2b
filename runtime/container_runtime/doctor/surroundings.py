"""Who and where we are: what the reasons are chosen by. Nothing is tried here, only read."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

CAPABILITIES = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_SETUID": 7,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_CHROOT": 18,
    "CAP_SYS_ADMIN": 21,
    "CAP_MKNOD": 27,
}
"""Numbers of linux/capability.h, of those that the engine needs."""

SYSCTLS = (
    "kernel.unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns",
    *(f"user.max_{kind}_namespaces" for kind in ("user", "pid", "mnt", "net", "uts", "ipc", "cgroup")),
)


_FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, linux/proc_ns.h


class Surroundings(NamedTuple):
    """The facts; ``container`` names what contains us where that is a container, else it is empty."""

    system: str
    release: str
    machine: str
    user: int
    name: str
    capabilities: int
    seccomp: bool
    no_new_privileges: bool
    apparmor: str
    container: str
    systemd: bool
    chroot: bool
    all_ids: bool
    sysctls: Mapping[str, str]

    def has(self, capability: str) -> bool:
        """Whether the process has the capability, in its own user namespace."""
        return bool(self.capabilities >> CAPABILITIES[capability] & 1)

    @property
    def needs_user_namespace(self) -> bool:
        """Whether the engine works in a user namespace of its own here (``kernel.userns.needed``)."""
        return not self.has("CAP_SYS_ADMIN")

    @property
    def who(self) -> str:
        """The user in words."""
        person = "root" if self.user == 0 else f"user {self.name or 'without a name'} ({self.user})"
        if self.user and not self.needs_user_namespace:
            return f"{person} with CAP_SYS_ADMIN"
        if self.user == 0 and self.needs_user_namespace:
            return f"{person} without CAP_SYS_ADMIN, in a user namespace"
        return f"{person} in a user namespace" if self.needs_user_namespace else person


def read(path: str) -> str:
    """The file's text; empty where it cannot be read."""
    try:
        return Path(path).read_text(errors="surrogateescape")
    except (OSError, ValueError):
        return ""


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def parse_status(text: str) -> dict[str, str]:
    """/proc/self/status as a mapping."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def name_of(user: int) -> str:
    """The user's name; empty where it has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return ""


def container_kind(files: set[str], environment: Mapping[str, str]) -> str:
    """What contains us, by the files and variables that container engines leave for this; empty for nothing."""
    if "KUBERNETES_SERVICE_HOST" in environment:
        return "kubernetes"
    if "/run/.containerenv" in files:  # podman, podman-run(1); made at the start, where the other may be an image's
        return "podman"
    if "/.dockerenv" in files:
        return "docker"
    return environment.get("container", "")  # systemd's container interface: systemd-nspawn, lxc


def _number(text: str, base: int = 10) -> int:
    try:
        return int(text, base)
    except ValueError:
        return 0


def gather() -> Surroundings:
    """Read the facts."""
    uname, user = os.uname(), os.geteuid()
    status = parse_status(read("/proc/self/status"))
    marks = {path for path in ("/.dockerenv", "/run/.containerenv") if Path(path).exists()}
    # A machine may have been made from a container's files: a container has a pid namespace of its own.
    environment = {} if _link("/proc/self/ns/pid") == _FIRST_PID_NAMESPACE else os.environ
    marks = marks if environment else set[str]()
    # A mount on "/" is missing in the list of a process whose root is no mount point (proc_pid_mountinfo(5)).
    points = [line.split(" ")[4] for line in read("/proc/self/mountinfo").splitlines() if line.count(" ") > 4]
    return Surroundings(
        system=uname.sysname,
        release=uname.release,
        machine=uname.machine,
        user=user,
        name=name_of(user),
        # Without /proc nothing is known: then as ``kernel.userns.needed`` has it.
        capabilities=_number(status.get("CapEff", "0"), 16) if status else (0 if user else -1),
        seccomp=status.get("Seccomp", "0") == "2",
        no_new_privileges=status.get("NoNewPrivs", "0") == "1",
        apparmor=read("/proc/self/attr/current").strip("\0\n "),
        container=container_kind(marks, environment),
        systemd=Path("/run/systemd/system").is_dir(),  # sd_booted(3)
        chroot=bool(points) and "/" not in points,
        all_ids=read("/proc/self/uid_map").split() in ([], ["0", "0", "4294967295"]),
        sysctls={name: read("/proc/sys/" + name.replace(".", "/")).strip() for name in SYSCTLS},
    )
