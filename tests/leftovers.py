"""What a run could leave behind on the machine, as a set of lines to be compared before and after.

CI runs the tests as root and as two users at the same time, so each looks only at what its own user can have left.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "pytest-containers"
SERVERS = ("fuse-overlayfs -f", "pasta --", "slirp4netns --")
TESTERS = "containers-"  # the users that tests/as-user makes
RUN = re.compile(r"run-\d+-[0-9a-f]+")  # a run's name: who watches it, and something random


def observe() -> set[str]:
    """Everything on this machine that belongs to engines, or that an engine makes for its containers."""
    return {*processes(), *mounts(), *interfaces(), *routes(), *cgroups(), *free_run_directories(), *unix_sockets()}


def of_engine(pid: int | str) -> list[str]:
    """What bears the name of the run that process ``pid`` watches or serves.

    The kernel announces neither the end of a namespace nor that of a cgroup: to be asked again until there is nothing.
    """
    return sorted(line for line in observe() if f"run-{pid}-" in line)


def processes() -> Iterator[str]:
    """Engines, launchers, programs that serve them, and containers: by command line, or by a root that is not ours.

    Not the test process itself, which may well be called with one of the names that are looked for.
    """
    own_root, own_namespace, others = Path("/").stat(), Path("/proc/self/ns/pid").readlink(), other_testers()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            (entry / "exe").readlink()  # the kernel's own threads have none, nor has what waits to be reaped
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            root = (entry / "root").stat()
            namespace = (entry / "ns/pid").readlink()
            run = RUN.search(command + (entry / "cgroup").read_text())
            user = int(re.findall(r"^Uid:\t(\d+)", (entry / "status").read_text(), re.MULTILINE)[0])
        except OSError:
            continue  # it has ended, or is another user's
        if any(user in ids for ids in others):
            continue
        elsewhere = (root.st_dev, root.st_ino) != (own_root.st_dev, own_root.st_ino)
        in_container = namespace != own_namespace and elsewhere
        if "container_runtime" in command or any(one in command for one in SERVERS) or in_container:
            yield f"process {entry.name}: {run[0] if run else 'no run'}: {command[:400]}"


def other_testers() -> list[range]:
    """The user ids, subordinate ones too, of other users who run tests at the same time."""
    users = {one.pw_name: one.pw_uid for one in pwd.getpwall() if one.pw_name.startswith(TESTERS)}
    users = {name: uid for name, uid in users.items() if uid != os.geteuid()}
    ids = Path("/etc/subuid")
    subordinate = (line.split(":") for line in (ids.read_text() if ids.exists() else "").splitlines())
    return [
        *(range(uid, uid + 1) for uid in users.values()),
        *(range(int(first), int(first) + int(count)) for name, first, count in subordinate if name in users),
    ]


def mounts() -> Iterator[str]:
    """Mounts in the host's namespace on or from paths of ours."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if NAME in line:
            yield f"mount {line.split()[4]}"


def interfaces() -> Iterator[str]:
    """Network interfaces of the host's namespace, where an ordinary user makes none."""
    for _, name in socket.if_nameindex() if os.geteuid() == 0 else ():
        yield f"interface {name}"


def routes() -> Iterator[str]:
    """Routes of the host's namespace, where an ordinary user makes none."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:] if os.geteuid() == 0 else ():
        interface, destination, gateway, *_ = line.split()
        yield f"route {interface} {destination} {gateway}"


def cgroups() -> Iterator[str]:
    """Control groups of ours in every hierarchy."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        kind = line.partition(" - ")[2].split()[0]
        if kind not in {"cgroup", "cgroup2"}:
            continue
        for directory, children, _ in os.walk(line.split()[4]):
            for child in children:
                if child.startswith(NAME) and is_own(f"{directory}/{child}"):
                    yield f"cgroup {directory}/{child}"
            children[:] = [child for child in children if not child.startswith(NAME)]


def free_run_directories() -> Iterator[str]:
    """Run directories whose engine has gone: nobody holds their lock."""
    for home in (Path("/run") / NAME, Path("/tmp") / f"{NAME}-{os.geteuid()}"):
        for lock in (path / "lock" for path in home.glob("run-*")):
            try:
                descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                if lock.parent.exists():  # nobody will ever sweep it, unless it is being made
                    yield f"run directory {lock.parent} without a lock"
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield f"run directory {lock.parent}"
            except BlockingIOError:
                pass
            finally:
                os.close(descriptor)


def unix_sockets() -> Iterator[str]:
    """Listening sockets at paths of ours."""
    for line in Path("/proc/net/unix").read_text().splitlines():
        match = re.search(rf"\S*{NAME}\S*\.sock$", line)
        # By the name: what is in a mount namespace of another user's engine is not to be found here.
        home = re.search(rf"/tmp/{NAME}-(\d+)/|/run/{NAME}/", match[0]) if match else None
        if match and (int(home[1] or 0) == os.geteuid() if home else is_own(match[0])):
            yield f"socket {match[0]}"


def is_own(path: str) -> bool:
    """Whether it is this user's; what has gone is, as it may have been."""
    try:
        return Path(path).lstat().st_uid == os.geteuid()
    except PermissionError:
        return False
    except OSError:
        return True
