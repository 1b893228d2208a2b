"""The system calls, and nothing above them.

Every function raises ``OSError`` with errno set when the kernel refuses, and otherwise returns what the kernel
returned. Flags and structures are those of the man pages named in each docstring.

This module is imported by the launcher, whose memory is copied by every container's fork: it imports little and
builds its argument types once.
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# System call numbers, asm/unistd_64.h (x86-64) and asm-generic/unistd.h (aarch64); above 423 they are the same
# everywhere.
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "capget": 125, "capset": 126, "seccomp": 317, "bpf": 321, "keyctl": 250},
    "aarch64": {"pivot_root": 41, "capget": 90, "capset": 91, "seccomp": 277, "bpf": 280, "keyctl": 219},
}
_SAME_EVERYWHERE = {
    "open_tree": 428,
    "move_mount": 429,
    "pidfd_send_signal": 424,
    "pidfd_open": 434,
    "clone3": 435,
    "openat2": 437,
    "mount_setattr": 442,
}

MACHINE = os.uname().machine

# mount(2), linux/mount.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_DIRSYNC, MS_NOATIME, MS_NODIRATIME = 32, 128, 1024, 2048
MS_BIND, MS_MOVE, MS_REC, MS_SILENT = 4096, 8192, 16384, 32768
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
MS_RELATIME, MS_STRICTATIME, MS_SYNCHRONOUS = 1 << 21, 1 << 24, 16
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8

# clone(2), linux/sched.h
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_PIDFD, CLONE_PARENT, CLONE_INTO_CGROUP = 0x1000, 0x8000, 0x200000000
CLONE_FS = 0x200

# openat2(2), linux/openat2.h
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 0x01, 0x02, 0x04
RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x08, 0x10

# prctl(2), linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NAME, PR_CAPBSET_DROP = 1, 4, 8, 15, 24
PR_CAPBSET_READ = 23
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_SET_CHILD_SUBREAPER = 38, 47, 36
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4

# PyDLL, not CDLL: the interpreter lock is held during the call. A child made by clone3 must not find the lock taken
# by a thread that it does not have.
_libc = ctypes.PyDLL(None, use_errno=True)
_int, _unsigned, _long, _size = ctypes.c_int, ctypes.c_uint, ctypes.c_ulong, ctypes.c_size_t
_text, _pointer = ctypes.c_char_p, ctypes.c_void_p


def system_call(*types: object) -> Callable[..., int]:
    """A syscall(2) of its own with declared argument types, which are what makes a ctypes call cheap."""
    function = _libc["syscall"]  # by index: a new function object each time
    function.restype = ctypes.c_long
    function.argtypes = [ctypes.c_long, *types]  # pyright: ignore[reportAttributeAccessIssue]  typeshed: a sequence
    return function


_pivot_root = system_call(_text, _text)
_clone3 = system_call(_pointer, _size)
_pidfd_open = system_call(_int, _unsigned)
_pidfd_send_signal = system_call(_int, _int, _pointer, _unsigned)
_openat2 = system_call(_int, _text, _pointer, _size)
_mount_setattr = system_call(_int, _text, _unsigned, _pointer, _size)
_capset = system_call(_pointer, _pointer)
_open_tree = system_call(_int, _text, _unsigned)
_move_mount = system_call(_int, _text, _int, _text, _unsigned)
_keyctl = system_call(_int, _text, _pointer, _pointer, _pointer)
_libc.mount.argtypes = [_text, _text, _text, _long, _text]
_libc.umount2.argtypes = [_text, _int]
_libc.unshare.argtypes = [_int]
_libc.setns.argtypes = [_int, _int]
_libc.sethostname.argtypes = [_text, _size]
_libc.setdomainname.argtypes = [_text, _size]
_libc.ioctl.argtypes = [_int, _long, _long]
_libc.fstatfs.argtypes = [_int, _pointer]
_libc.execve.argtypes = [_text, _pointer, _pointer]
_libc.prctl.argtypes = [_int, _long, _long, _long, _long]
_addressof = ctypes.addressof
# The structures of system calls that are made often: ctypes makes an array's type anew where nothing holds it.
_CloneArguments, _OpenHow = ctypes.c_uint64 * 11, ctypes.c_uint64 * 3
_CapabilityHeader, _CapabilityData = ctypes.c_uint32 * 2, ctypes.c_uint32 * 6


def check(result: int, path: str | bytes | None = None) -> int:
    """The result of a call of libc, or the OSError of its errno."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def number_of(name: str) -> int:
    """The number of a system call that libc has no function for, on this machine."""
    if name in _SAME_EVERYWHERE:
        return _SAME_EVERYWHERE[name]
    try:
        return _NUMBERS[MACHINE][name]
    except KeyError:
        raise OSError(38, f"system call {name} is not known for the architecture {MACHINE}") from None


def _encode(text: str | bytes | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2). ``target`` may be a ``/proc/self/fd/N`` path, which is how a checked descriptor is mounted upon."""
    result = _libc.mount(
        _encode(source),
        _encode(target),
        _encode(kind),
        flags,
        None if data is None else os.fsencode(data),
    )
    check(result, target)


def open_tree(path: str) -> int:
    """open_tree(2) with OPEN_TREE_CLONE: a copy of the mount at ``path``, attached nowhere (Linux 5.2)."""
    flags = 1 | 0o2000000  # OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC
    return check(_open_tree(number_of("open_tree"), -100, _encode(path), flags), path)  # AT_FDCWD


def move_mount(mount: int, target: int) -> None:
    """move_mount(2): attach the mount of descriptor ``mount`` on what the descriptor ``target`` is of (Linux 5.2)."""
    flags = 0x4 | 0x40  # MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH
    check(_move_mount(number_of("move_mount"), mount, b"", target, b"", flags))


def read_only_tree(target: str) -> None:
    """mount_setattr(2): a mount and all below it become read-only. OSError(ENOSYS) before Linux 5.12."""
    at_recursive, mount_attr_rdonly, at_fdcwd = 0x8000, 1, -100  # linux/fcntl.h, linux/mount.h
    attributes = (ctypes.c_uint64 * 4)(mount_attr_rdonly, 0, 0, 0)  # set, clear, propagation, user namespace
    size = ctypes.sizeof(attributes)
    result = _mount_setattr(
        number_of("mount_setattr"), at_fdcwd, _encode(target), at_recursive, _addressof(attributes), size
    )
    check(result, target)


def umount(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    check(_libc.umount2(_encode(target), flags), target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    check(_pivot_root(number_of("pivot_root"), _encode(new_root), _encode(put_old)), new_root)


def unshare(flags: int) -> None:
    """unshare(2). A namespace of a thread only where the man page says so (network, mount, cgroup, IPC, UTS)."""
    check(_libc.unshare(flags))


def setns(descriptor: int, flags: int) -> None:
    """setns(2) into the namespaces ``flags`` of a pidfd, or into a namespace descriptor."""
    check(_libc.setns(descriptor, flags))


def sethostname(name: str) -> None:
    """sethostname(2): at most 64 bytes (HOST_NAME_MAX)."""
    encoded = os.fsencode(name)
    check(_libc.sethostname(encoded, len(encoded)), name)


def setdomainname(name: str) -> None:
    """setdomainname(2): at most 64 bytes."""
    encoded = os.fsencode(name)
    check(_libc.setdomainname(encoded, len(encoded)), name)


def clone3(flags: int, cgroup: int | None = None) -> tuple[int, int]:
    """clone3(2) with CLONE_PIDFD and SIGCHLD, as fork(2) does otherwise: returns twice.

    Returns (0, -1) in the child and (pid as the caller sees it, pidfd) in the parent; the pidfd is close-on-exec.
    ``cgroup``: descriptor of a cgroup v2 directory that the child is born in (Linux 5.7).

    The interpreter is not told that it was forked: the child may go on in Python only if the caller had one thread,
    and has to end by execve(2) or ``os._exit``.
    """
    pidfd = _int(-1)
    if cgroup is not None:
        flags |= CLONE_INTO_CGROUP
    arguments = clone_arguments(flags | CLONE_PIDFD, _addressof(pidfd), cgroup or 0)
    pid = check(_clone3(number_of("clone3"), _addressof(arguments), 88))
    return (0, -1) if pid == 0 else (pid, pidfd.value)


def clone_arguments(flags: int, pidfd: int, cgroup: int) -> ctypes.Array[ctypes.c_uint64]:
    """struct clone_args: ``pidfd`` is where the pidfd is written to, ``cgroup`` a descriptor."""
    # flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup
    # (CLONE_ARGS_SIZE_VER2 = 88 bytes).
    # SIGCHLD; with CLONE_PARENT the signal is the caller's own, and none may be given (clone(2), EINVAL).
    return _CloneArguments(flags, pidfd, 0, 0, 0 if flags & CLONE_PARENT else 17, 0, 0, 0, 0, 0, cgroup)


def pidfd_open(pid: int) -> int:
    """pidfd_open(2): a close-on-exec descriptor that poll(2) reports readable when the process has ended."""
    return check(_pidfd_open(number_of("pidfd_open"), pid, 0))


def pid_of(pidfd: int) -> int:
    """The pid as /proc shows it, which belongs to the namespace of whoever mounted it; -1 where there is none."""
    descriptor = os.open(f"/proc/self/fdinfo/{pidfd}", os.O_RDONLY | os.O_CLOEXEC)
    text = os.read(descriptor, 4096).decode()
    os.close(descriptor)
    return next((int(line[4:]) for line in text.splitlines() if line.startswith("Pid:")), -1)


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    """pidfd_send_signal(2). ProcessLookupError where the process has been reaped."""
    check(_pidfd_send_signal(number_of("pidfd_send_signal"), pidfd, signal, None, 0))


def openat2(directory: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = RESOLVE_IN_ROOT) -> int:
    """openat2(2): ``path`` resolved as ``resolve`` allows, by default with ``directory`` as its root.

    The descriptor is close-on-exec whatever ``flags`` say. EAGAIN (a rename raced with "..") is tried again here, at
    most 128 times, as the man page asks.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    encoded = os.fsencode(path)
    result = -1
    for _ in range(128):
        result = _openat2(
            number_of("openat2"),
            directory,
            encoded,
            _addressof(how),
            24,
        )
        if result >= 0 or ctypes.get_errno() != 11:
            break
    return check(result, path)


def syncfs(descriptor: int) -> None:
    """syncfs(2): all that was written to the filesystem of ``descriptor`` is on disk when this returns.

    May take seconds, so the interpreter lock is given up, unlike everywhere else here.
    """
    check(ctypes.CDLL(None, use_errno=True).syncfs(ctypes.c_int(descriptor)))


def prctl(option: int, argument: int = 0, argument3: int = 0) -> int:
    """prctl(2)."""
    return check(
        _libc.prctl(
            option,
            argument,
            argument3,
            0,
            0,
        )
    )


def drop_bounding(kept: int) -> None:
    """prctl(2) PR_CAPBSET_DROP of each capability that the kernel knows and whose bit is not in ``kept``."""
    for number in range(64):
        if not kept >> number & 1 and _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0:
            if ctypes.get_errno() == 22:  # EINVAL: the last one was the one before
                return
            check(-1)


def bounding_set() -> int:
    """prctl(2) PR_CAPBSET_READ of each capability that the kernel knows: bit n is capability number n."""
    return sum(1 << number for number in range(64) if _libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1)


def set_name(name: str) -> None:
    """prctl(2) PR_SET_NAME: at most 15 bytes of it."""
    text = ctypes.create_string_buffer(name.encode())
    prctl(PR_SET_NAME, _addressof(text))


def title_setter() -> Callable[[bytes], None]:
    """What writes over the arguments of this process, as ps shows them; works in its copies, without /proc, too.

    A last byte that is not NUL tells the kernel that this was done (fs/proc/base.c, get_mm_cmdline).
    """
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123  the launcher imports it
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # proc_pid_stat(5): arg_start is (48), arg_end (49)

    def write(text: bytes) -> None:
        room = end - start
        if room > 1:
            ctypes.memmove(start, text[: room - 2].ljust(room - 1, b"\0") + b".", room)

    return write


def ioctl(descriptor: int, request: int, argument: int | bytes = 0) -> int:
    """ioctl(2); bytes are given by their address, and what the kernel writes there is dropped."""
    if isinstance(argument, bytes):
        buffer = ctypes.create_string_buffer(argument, len(argument))
        return check(_libc.ioctl(descriptor, request, _addressof(buffer)))
    return check(_libc.ioctl(descriptor, request, argument))


def filesystem_type(descriptor: int) -> int:
    """fstatfs(2): f_type of the filesystem that the file is on (linux/magic.h)."""
    buffer = ctypes.create_string_buffer(120)  # struct statfs of 64-bit machines; f_type is its first word
    check(_libc.fstatfs(descriptor, _addressof(buffer)))
    return struct.unpack_from("@l", buffer)[0]


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) for the calling thread; each set is a bit mask, bit n for capability number n."""
    header, data = capability_arguments(effective, permitted, inheritable)
    check(_capset(number_of("capset"), _addressof(header), _addressof(data)))


def capability_arguments(
    effective: int, permitted: int, inheritable: int
) -> tuple[ctypes.Array[ctypes.c_uint32], ctypes.Array[ctypes.c_uint32]]:
    """What capset(2) takes."""
    header = _CapabilityHeader(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3
    low, sets = 0xFFFFFFFF, (effective, permitted, inheritable)
    return header, _CapabilityData(*(each & low for each in sets), *(each >> 32 for each in sets))


def address_of(data: bytes) -> tuple[int, object]:
    """The address of a copy of ``data`` and the object that keeps that copy alive, for structures that point."""
    buffer = ctypes.create_string_buffer(data, len(data))
    return ctypes.addressof(buffer), buffer


def join_session_keyring(name: str) -> None:
    """keyctl(2) KEYCTL_JOIN_SESSION_KEYRING: a new session keyring, so that the old one's keys are out of reach."""
    check(_keyctl(number_of("keyctl"), 1, _encode(name), None, None, None))


class Program:
    """execve(2) with arguments laid out before a fork.

    There is no check of the environment's form: an image may have entries without "=".
    """

    __slots__ = ("_argv", "_environ")

    def __init__(self, argv: list[bytes], environ: list[bytes]) -> None:
        self._argv = (_text * (len(argv) + 1))(*argv, None)
        self._environ = (_text * (len(environ) + 1))(*environ, None)

    @property
    def vectors(self) -> tuple[object, object]:
        """The arguments and the environment as execve(2) takes them; they live as long as this."""
        return self._argv, self._environ

    def start(self, path: bytes) -> int:
        """Execute ``path``; returns only with the errno of a refusal."""
        _libc.execve(path, self._argv, self._environ)
        return ctypes.get_errno()


def execve(path: str | bytes, argv: list[bytes], environ: list[bytes]) -> None:
    """execve(2); see ``Program``."""
    number = Program(argv, environ).start(os.fsencode(path))
    raise OSError(number, os.strerror(number), path)
