"""The user namespace of an engine that has no root's rights: in it, it has them over all that it makes.

With newuidmap(1), newgidmap(1) and subordinate ids (subuid(5)) a container has 65,536 users; without, one id, its
"root", which is the user. Reference: user_namespaces(7).
"""

from __future__ import annotations

import errno
import os

from container_runtime.errors import KernelError
from container_runtime.kernel import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ALL_IDS = (1 << 32) - 1  # of the machine's own namespace, user_namespaces(7)
_SYS_ADMIN = 21  # linux/capability.h
_HELPERS = ("newuidmap", "newgidmap")
_ADVICE = (
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)

_state = {"user": -1, "ids": 0}


def outer_user() -> int:
    """The user id that the machine knows us by, whatever it is in our user namespace."""
    return os.geteuid() if _state["user"] < 0 else _state["user"]


def active() -> bool:
    """Whether this process is in a user namespace of its own."""
    return _state["user"] >= 0


def mapped_ids() -> int:
    """How many ids containers have: 1, or those of subuid(5) and one; 0 means all of the machine's."""
    return _state["ids"]


def adopt(user: int, ids: int) -> None:
    """Take the state over from the process that entered: for the launcher, which is executed anew inside."""
    _state.update(user=user, ids=ids)


def needed() -> bool:
    """Whether the rights of the machine's root are missing.

    They are for another user, for root without CAP_SYS_ADMIN, as in most containers, and for the root of a user
    namespace that somebody else made.
    """
    return not _has_rights() or _own_ids() < _ALL_IDS


def _own_ids() -> int:
    """How many ids, from 0 up, this user namespace has."""
    fields = _read("/proc/self/uid_map").split()
    return int(fields[2]) if fields[:1] == ["0"] else 0


def _has_rights() -> bool:
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _SYS_ADMIN & 1)
    return os.geteuid() == 0


def enter() -> None:
    """Enter a new user namespace and become root in it. The process must have one thread.

    Raises:
        KernelError: user namespaces are forbidden; the message says by what, and how to allow them.
    """
    user, group = os.geteuid(), os.getegid()
    mapper, ids = _mapper(user, group)
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
    except OSError as error:
        raise KernelError("make a user namespace", "", error.errno or 1, advice()) from None
    if mapper is None or not mapper.map():
        _map_one(user, group)
        ids = 1
    adopt(user, ids)
    if not _has_rights():  # AppArmor lets the call pass and takes the rights away (Ubuntu, from 24.04 on)
        raise KernelError("use a user namespace", "", errno.EPERM, advice())


def _map_one(user: int, group: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        except OSError as error:
            raise KernelError("map the user's id", f"/proc/self/{name}", error.errno or 1, advice()) from None
        finally:
            os.close(descriptor)


def _mapper(user: int, group: int) -> tuple[_Mapper | None, int]:
    """Who maps more than one id, and how many: for a container's root all that it has, for others subuid(5)."""
    if user == 0:
        return (_Mapper(_map_all), _own_ids()) if _own_ids() > 1 else (None, 1)
    ranges = subordinate_ranges(user)
    helpers = [_find(name) for name in _HELPERS]
    if not ranges or not all(helpers):
        return None, 1
    own = (user, group)
    return _Mapper(lambda pid: _call_helpers(helpers, pid, own, ranges)), 1 + min(ranges[0][1], ranges[1][1])


def _map_all(pid: int) -> int:
    """As it is outside; CAP_SETUID and CAP_SETGID are enough for that."""
    for name in ("uid_map", "gid_map"):
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, f"0 0 {_own_ids()}".encode())
        except OSError:
            return 1
        finally:
            os.close(descriptor)
    return 0


class _Mapper:
    """A child that stays outside and maps when we are inside."""

    def __init__(self, work: Callable[[int], int]) -> None:
        read, self._go = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            code = 1
            try:
                os.close(self._go)
                if os.read(read, 1):
                    code = work(os.getppid())
            finally:
                os._exit(code)
        os.close(read)

    def map(self) -> bool:
        """Have it done; whether it was."""
        os.write(self._go, b"x")
        os.close(self._go)
        return os.waitpid(self._pid, 0)[1] == 0


def _call_helpers(
    helpers: list[str], pid: int, own: tuple[int, int], ranges: tuple[tuple[int, int], tuple[int, int]]
) -> int:
    children: list[int] = []
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    for helper, outer, (first, count) in zip(helpers, own, ranges, strict=True):
        words = [helper, f"{pid}", "0", f"{outer}", "1", "1", f"{first}", f"{count}"]
        children.append(os.posix_spawn(helper, words, os.environ, file_actions=null))
    statuses = [os.waitpid(child, 0)[1] for child in children]
    return 1 if any(statuses) else 0


def subordinate_ranges(user: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The user's first range of subordinate ids and that of groups, as (first, count); None without one of them."""
    names = {f"{user}", _name_of(user)}
    found: list[tuple[int, int]] = []
    for path in ("/etc/subuid", "/etc/subgid"):
        for line in _read(path).splitlines():
            name, _, rest = line.strip().partition(":")
            first, _, count = rest.partition(":")
            if name in names and first.isdigit() and count.isdigit() and int(count):
                found.append((int(first), int(count)))
                break
        else:
            return None
    return found[0], found[1]


def _name_of(user: int) -> str:
    """From /etc/passwd; whoever is not in it may be in subuid(5) by number. ``pwd`` would load name services."""
    for line in _read("/etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == f"{user}":
            return fields[0]
    return f"{user}"


def _find(name: str) -> str:
    for directory in (*os.environ.get("PATH", "").split(":"), "/usr/bin", "/bin"):
        path = f"{directory}/{name}"
        if directory and os.access(path, os.X_OK):
            return path
    return ""


def advice() -> str:
    """Why user namespaces are forbidden here, and the command that allows them; run by root."""
    for path, value, command in _ADVICE:
        if _read(path).strip() == value:
            return f"{path} is {value}: as root, {command}"
    return (
        "user namespaces are forbidden, as the seccomp profile of an outer container does it: allow them there "
        "(docker run --security-opt seccomp=unconfined), or run as root"
    )


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        parts: list[bytes] = []
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
        return b"".join(parts).decode("utf-8", "surrogateescape")
    finally:
        os.close(descriptor)
