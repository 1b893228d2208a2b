"""What a container's first process does between clone3 and execve: the steps of ``operations``, one function each.

Everything that is given a path inside the container resolves it with openat2(2) in the new root, because the image
decides what lies there: a symbolic link must not lead a mount out of it (CVE-2019-16884, CVE-2021-30465).
"""

from __future__ import annotations

import errno
import os
import resource  # now: where the child is going, there are no modules of Python

from container_runtime.kernel import filters, uts
from container_runtime.kernel import syscalls as sys
from container_runtime.launcher import capabilities, init, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH_ONLY = os.O_PATH
_DIRECTORY = os.O_DIRECTORY
_TIOCSCTTY = 0x540E  # ioctl_tty(2)
_NULL = os.makedev(1, 3)
_MOST_LINKS = 40  # MAXSYMLINKS of the kernel, path_resolution(7)
# statvfs(3) flags (bits/statvfs.h) as those of mount(2).
_LOCKED_BITS = (
    (1, sys.MS_RDONLY),
    (2, sys.MS_NOSUID),
    (4, sys.MS_NODEV),
    (8, sys.MS_NOEXEC),
    (1024, sys.MS_NOATIME),
    (2048, sys.MS_NODIRATIME),
    (4096, sys.MS_RELATIME),
)
_LOCKED_FLAGS = sys.MS_NOSUID | sys.MS_NODEV | sys.MS_NOEXEC


class Child:
    """The state that steps share: the root's descriptor and the seccomp program."""

    def __init__(self, seccomp: bytes) -> None:
        self.root = -1
        self.stage_path = ""
        self.filter = filters.SeccompFilter(seccomp)

    # --- the root filesystem -------------------------------------------------------------------------------------

    def mount_root(self, path: str, kind: str, flags: int, data: str, common: str) -> None:
        """Mount the root as a filesystem of its own (an overlay); lower directories are relative to ``common``."""
        if common:
            os.chdir(common)
        sys.mount(kind, path, kind, flags, data)
        self._open_root(path)

    def stage(self, path: str) -> None:
        """Let the steps that follow work below ``path`` until there is a root (``spare``)."""
        self.root = os.open(path, _PATH_ONLY | _DIRECTORY | os.O_CLOEXEC)
        self.stage_path = path

    def move(self, path: str) -> None:
        """Move what was staged, with all that is mounted on it, to its place in the root."""
        target = self._target(path, directory=True)
        sys.mount(self.stage_path + path, f"/proc/self/fd/{target}", None, sys.MS_MOVE)
        os.close(target)

    def bind_root(self, path: str) -> None:
        """Use the directory itself as the root."""
        # pivot_root(2) wants a mount point.
        sys.mount(path, path, None, sys.MS_BIND | sys.MS_REC)
        remount(path, sys.MS_BIND | sys.MS_REMOUNT | sys.MS_NODEV)  # as ``operations`` has it for other roots
        self._open_root(path)

    def _open_root(self, path: str) -> None:
        self.root = os.open(path, _PATH_ONLY | _DIRECTORY | os.O_CLOEXEC)

    def _in_root(self, path: str, flags: int = _PATH_ONLY) -> int:
        return sys.openat2(self.root, path, flags)

    def _make_parents(self, path: str, links: int = 0) -> None:
        """mkdir -p inside the root; where a link leads to nothing, what it leads to is made, inside the root too."""
        done = ""
        for part in path.strip("/").split("/"):
            if not part:
                continue
            try:
                os.close(self._in_root(f"{done}/{part}", _PATH_ONLY | _DIRECTORY))
            except FileNotFoundError:
                self._make_one(done or "/", part, links)
            done += "/" + part

    def _make_one(self, above: str, name: str, links: int) -> None:
        parent = self._in_root(above, _PATH_ONLY | _DIRECTORY)
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            if links >= _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), f"{above}/{name}") from None
            target = os.readlink(name, dir_fd=parent)
            self._make_parents(target if target.startswith("/") else f"{above}/{target}", links + 1)
        finally:
            os.close(parent)

    def _target(self, path: str, *, directory: bool) -> int:
        """A descriptor on a mount's destination, which is made where it is missing."""
        try:
            return self._in_root(path)
        except FileNotFoundError:
            pass
        if directory:
            self._make_parents(path)
        else:
            above, _, name = path.rstrip("/").rpartition("/")
            self._make_parents(above)
            parent = self._in_root(above or "/", _PATH_ONLY | _DIRECTORY)
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o644, dir_fd=parent))
            os.close(parent)
        return self._in_root(path)

    def mount(
        self, path: str, kind: str, source: str, flags: int, clear: int, data: str, propagations: list[int]
    ) -> None:
        """One entry of config.json's mounts; binds take their flags by a remount."""
        bind = flags & sys.MS_BIND
        # stat, not isdir: a source that is not there is an error that names it.
        directory = os.stat(source).st_mode & 0o170000 == 0o040000 if bind else True  # S_IFDIR, inode(7)
        target = self._target(path, directory=directory)
        where = f"/proc/self/fd/{target}"
        if bind:
            sys.mount(source, where, None, flags & (sys.MS_BIND | sys.MS_REC))
        else:
            sys.mount(source, where, kind, flags, data)
        rest = flags & ~(sys.MS_BIND | sys.MS_REC) if bind else 0
        if rest or (bind and clear) or propagations:
            # What follows is for the mount that now lies over the target, which has to be opened anew.
            os.close(target)
            target = self._in_root(path)
            where = f"/proc/self/fd/{target}"
        if rest or (bind and clear):
            remount(where, sys.MS_BIND | sys.MS_REMOUNT | rest)
        for propagation in propagations:
            sys.mount(None, where, None, propagation)
        os.close(target)

    def share_mount(self, path: str, namespace: str, source: str) -> None:
        """The mount at ``source`` of another mount namespace, here too.

        A bind does not reach into another namespace (mount_namespaces(7)), so a copy is made there and attached here.
        """
        own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        other = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        sys.setns(other, sys.CLONE_NEWNS)
        try:
            copy = sys.open_tree(source)
        finally:
            sys.setns(own, sys.CLONE_NEWNS)
        target = self._target(path, directory=True)
        sys.move_mount(copy, target)
        for descriptor in (own, other, copy, target):
            os.close(descriptor)

    def mount_below(
        self, subpath: str, path: str, kind: str, source: str, flags: int, clear: int, data: str, rest: list[int]
    ) -> None:
        """A bind of what lies below its source, where other containers may have made links: none leads out."""
        base = os.open(source, _PATH_ONLY | _DIRECTORY | os.O_CLOEXEC)
        found = sys.openat2(base, subpath, _PATH_ONLY, 0, sys.RESOLVE_BENEATH | sys.RESOLVE_NO_MAGICLINKS)
        self.mount(path, kind, f"/proc/self/fd/{found}", flags, clear, data, rest)
        os.close(found)
        os.close(base)

    def read_only_tree(self, path: str, forced: bool) -> None:
        """What is mounted below a read-only bind becomes read-only too, where the kernel can do that."""
        target = self._in_root(path)
        try:
            sys.read_only_tree(f"/proc/self/fd/{target}")
        except OSError as error:
            if forced or error.errno not in {errno.ENOSYS, errno.EPERM}:
                raise
        os.close(target)

    def device(self, path: str, kind: str, major: int, minor: int, mode: int, uid: int, gid: int) -> None:
        """mknod(2) below the new /dev."""
        above, _, name = path.rpartition("/")
        self._make_parents(above)
        parent = self._in_root(above or "/", _PATH_ONLY | _DIRECTORY)
        node = {"c": 0o020000, "b": 0o060000, "p": 0o010000}[kind]
        try:
            os.mknod(name, node | mode, os.makedev(major, minor), dir_fd=parent)
            if uid or gid:
                os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(parent)

    def bind_device(self, path: str) -> None:
        """A device node of the machine, at the same place; with no node there, none."""
        if not os.path.exists(path):
            return
        target = self._target(path, directory=False)
        sys.mount(path, f"/proc/self/fd/{target}", None, sys.MS_BIND)
        os.close(target)

    def symlink(self, target: str, path: str) -> None:
        """One of the links that runtime-linux.md asks for."""
        above, _, name = path.rpartition("/")
        parent = self._in_root(above, _PATH_ONLY | _DIRECTORY)
        try:
            os.symlink(target, name, dir_fd=parent)
        except FileExistsError:
            pass
        finally:
            os.close(parent)

    def read_only(self, path: str) -> None:
        """One of linux.readonlyPaths; a path that is not there needs nothing."""
        try:
            target = self._in_root(path)
        except FileNotFoundError:
            return
        sys.mount(f"/proc/self/fd/{target}", f"/proc/self/fd/{target}", None, sys.MS_BIND | sys.MS_REC)
        os.close(target)
        target = self._in_root(path)
        # The flags that the mount below has stay: dropping them would be refused in a user namespace.
        flags = sys.MS_BIND | sys.MS_REMOUNT | sys.MS_RDONLY | (_LOCKED_FLAGS if path.startswith("/proc") else 0)
        sys.mount(None, f"/proc/self/fd/{target}", None, flags)
        os.close(target)

    def mask(self, path: str) -> None:
        """One of linux.maskedPaths: an empty read-only directory, or /dev/null, over it."""
        try:
            target = self._in_root(path, _PATH_ONLY)
        except FileNotFoundError:
            return
        where = f"/proc/self/fd/{target}"
        if os.fstat(target).st_mode & 0o170000 == 0o040000:
            sys.mount("tmpfs", where, "tmpfs", sys.MS_RDONLY | _LOCKED_FLAGS, "size=0k,nr_inodes=1")
        else:
            sys.mount("/dev/null", where, None, sys.MS_BIND)
        os.close(target)

    def make_directory(self, path: str, user: dict[str, Any]) -> None:
        """The working directory is made where the image has none, as Docker does."""
        del user  # Docker leaves it to root too
        self._make_parents(path)

    def pivot(self) -> None:
        """Make the new root the root, and let the old one go."""
        # pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one and is detached from there.
        os.fchdir(self.root)
        sys.pivot_root(".", ".")
        sys.umount(".", sys.MNT_DETACH)
        os.chdir("/")
        os.close(self.root)

    def read_only_root(self, parts: list[str]) -> None:
        """root.readonly, of its parts too: the writable mounts on top stay writable."""
        for path in ("/", *parts):
            sys.mount(None, path, None, sys.MS_REMOUNT | sys.MS_BIND | sys.MS_RDONLY | sys.MS_NODEV)

    # --- names and kernel settings -------------------------------------------------------------------------------

    def hostname(self, name: str) -> None:
        """sethostname(2) in the UTS namespace of the container."""
        uts.set_hostname(name)

    def domainname(self, name: str) -> None:
        """setdomainname(2) likewise."""
        uts.set_domainname(name)

    def sysctl(self, name: str, value: str) -> None:
        """One of linux.sysctl; only namespaced ones are let through by the kernel."""
        write_file(f"/proc/sys/{name}", value)

    def rlimit(self, number: int, soft: int, hard: int) -> None:
        """One of process.rlimits; 2**64-1 means no limit."""
        resource.setrlimit(number, (_rlimit(soft), _rlimit(hard)))

    def oom_score(self, value: int) -> None:
        """process.oomScoreAdj, proc_pid_oom_score_adj(5)."""
        write_file("/proc/self/oom_score_adj", str(value))

    # --- the process itself --------------------------------------------------------------------------------------

    def session(self, terminal: bool) -> None:
        """A session, a controlling terminal where there is one, and a keyring of its own."""
        os.setsid()
        if terminal:
            sys.ioctl(0, _TIOCSCTTY)
        try:
            # A session keyring of its own, so that the keys of whoever started the engine are out of reach.
            sys.join_session_keyring("_ses.container")
        except OSError as error:
            if error.errno not in {errno.ENOSYS, errno.EPERM, errno.EDQUOT}:
                raise

    def terminal(self, path: str, console: str, rows: int, columns: int) -> None:
        """process.terminal: a pair of the container's devpts; its slave is bound at ``console`` too, unless empty."""
        root = self.root if self.root >= 0 else os.open("/", _PATH_ONLY | _DIRECTORY | os.O_CLOEXEC)
        master, slave = terminal.open_pair(root, path)
        if console:
            target = self._target(console, directory=False)
            sys.mount(f"/proc/self/fd/{slave}", f"/proc/self/fd/{target}", None, sys.MS_BIND)
            os.close(target)
        terminal.hand_over(master, slave, rows, columns)

    def own_streams(self, uid: int) -> None:
        """The standard streams become the user's, who may then open /dev/stdout (runc, fixStdioPermissions)."""
        for number in (0, 1, 2):
            status = os.fstat(number)
            if status.st_uid == uid or status.st_rdev == _NULL:
                continue
            try:
                os.fchown(number, uid, -1)
            except OSError as error:
                if error.errno not in {errno.EINVAL, errno.EPERM, errno.EROFS}:  # the id is not mapped
                    raise

    def init(self, arguments: list[str]) -> None:
        """HostConfig.Init: what goes on is a child, and the first process stays as its reaper."""
        init.split_off(arguments)

    def bounding(self, mask: int) -> None:
        """Drop every capability that is not in ``mask`` from the bounding set."""
        sys.drop_bounding(mask)

    def no_new_privileges(self) -> None:
        """PR_SET_NO_NEW_PRIVS, prctl(2)."""
        sys.prctl(sys.PR_SET_NO_NEW_PRIVS, 1)

    def seccomp(self) -> None:
        """Load the compiled filter."""
        self.filter.load()

    def identity(self, uid: int, gid: int, groups: list[int], keep: bool) -> None:
        """Supplementary groups, group and user; ``keep`` keeps permitted capabilities for the ambient ones."""
        if keep:
            sys.prctl(sys.PR_SET_KEEPCAPS, 1)
        try:
            os.setgroups(groups)
        except PermissionError:  # with one mapped id (user_namespaces(7), /proc/PID/setgroups)
            if set(groups) - {gid}:
                raise
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)

    def capabilities(self, effective: int, permitted: int, inheritable: int, ambient: int) -> None:
        """process.capabilities but the bounding set."""
        capabilities.take(effective, permitted, inheritable, ambient)

    def umask(self, mask: int) -> None:
        """umask(2)."""
        os.umask(mask)

    def directory(self, path: str) -> None:
        """The working directory, entered with the user's own rights."""
        os.chdir(path)


def remount(where: str, flags: int) -> None:
    """Change the flags of a mount; those that it has and that we may not take off stay (user_namespaces(7))."""
    try:
        sys.mount(None, where, None, flags)
    except PermissionError:
        has = os.statvfs(where).f_flag
        for bit, flag in _LOCKED_BITS:
            if has & bit:
                flags |= flag
        sys.mount(None, where, None, flags)


def _rlimit(value: int) -> int:
    """OCI counts in unsigned 64 bits, where the largest number means no limit; Python says -1."""
    return -1 if value < 0 or value >= 1 << 63 else value


def write_file(path: str, text: str) -> None:
    """Write to a file that the kernel made."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
