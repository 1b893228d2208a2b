"""config.json as a list of steps: pure, so that what a container's child will do can be read and tested without one.

A step is a tuple: the name of a function of ``child`` and its arguments. The child executes them in order; the first
that fails ends it, and its name is in the error.

Reference: OCI runtime spec, config.md and config-linux.md.
"""

from __future__ import annotations

from container_runtime.kernel import syscalls as sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Step = tuple["Any", ...]

_NAMESPACES = {
    "pid": sys.CLONE_NEWPID,
    "network": sys.CLONE_NEWNET,
    "mount": sys.CLONE_NEWNS,
    "ipc": sys.CLONE_NEWIPC,
    "uts": sys.CLONE_NEWUTS,
    "cgroup": sys.CLONE_NEWCGROUP,
}

# mount(8) options that are flags of mount(2); the second number says whether the option clears the flag.
_OPTIONS = {
    "ro": (sys.MS_RDONLY, False),
    "rw": (sys.MS_RDONLY, True),
    "nosuid": (sys.MS_NOSUID, False),
    "suid": (sys.MS_NOSUID, True),
    "nodev": (sys.MS_NODEV, False),
    "dev": (sys.MS_NODEV, True),
    "noexec": (sys.MS_NOEXEC, False),
    "exec": (sys.MS_NOEXEC, True),
    "sync": (sys.MS_SYNCHRONOUS, False),
    "async": (sys.MS_SYNCHRONOUS, True),
    "dirsync": (sys.MS_DIRSYNC, False),
    "noatime": (sys.MS_NOATIME, False),
    "atime": (sys.MS_NOATIME, True),
    "nodiratime": (sys.MS_NODIRATIME, False),
    "relatime": (sys.MS_RELATIME, False),
    "strictatime": (sys.MS_STRICTATIME, False),
    "bind": (sys.MS_BIND, False),
    "rbind": (sys.MS_BIND | sys.MS_REC, False),
    "defaults": (0, False),
}
_PROPAGATION = {
    "private": sys.MS_PRIVATE,
    "rprivate": sys.MS_PRIVATE | sys.MS_REC,
    "slave": sys.MS_SLAVE,
    "rslave": sys.MS_SLAVE | sys.MS_REC,
    "shared": sys.MS_SHARED,
    "rshared": sys.MS_SHARED | sys.MS_REC,
    "unbindable": sys.MS_UNBINDABLE,
    "runbindable": sys.MS_UNBINDABLE | sys.MS_REC,
}

# OCI runtime spec, config-linux.md, "Default Devices": path, major, minor. /dev/console exists with a terminal only.
DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
# OCI runtime spec, runtime-linux.md, "Dev symbolic links"; ptmx from config-linux.md.
_DEV_LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
)

_DEV_LINK_STEPS: list[Step] = [("symlink", target, path) for path, target in _DEV_LINKS]

# linux/capability.h, by number.
CAPABILITIES = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP "
    "CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER "
    "CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE "
    "CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL "
    "CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ "
    "CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE"
).split()
_NUMBER_OF = {name: number for number, name in enumerate(CAPABILITIES)}

# resource.h (generic); setrlimit(2).
_RLIMITS = (
    "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE "
    "RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME"
).split()

_READ_ONLY_TREE = ("rro", "rro=force")
_GROUP_TTY = 5  # of Debian's base-passwd, and of the defaults of runc
_LOWERDIR_PAGE = 3900  # mount(2) takes one page of options; the rest of it is for upperdir, workdir and flags


def mount_options(options: list[str]) -> tuple[int, int, list[int], str]:
    """Flags to set, flags to clear, propagations, and the data that is left for the filesystem."""
    flags = clear = 0
    propagations: list[int] = []
    data: list[str] = []
    for option in options:
        if option in _OPTIONS:
            bits, clears = _OPTIONS[option]
            flags, clear = (flags & ~bits, clear | bits) if clears else (flags | bits, clear & ~bits)
        elif option in _PROPAGATION:
            propagations.append(_PROPAGATION[option])
        else:
            data.append(option)
    return flags, clear, propagations, ",".join(data)


def capability_mask(names: list[str]) -> int:
    """The bit mask of capability names; one that this kernel's headers do not have raises KeyError."""
    mask = 0
    for name in names:
        mask |= 1 << _NUMBER_OF[name]
    return mask


def clone_flags(namespaces: list[dict[str, Any]]) -> tuple[int, list[tuple[str, int]]]:
    """Flags for clone3, and the namespaces to join as (path, flag).

    The cgroup namespace is left out: it is made after the cgroups were entered, else it shows the paths above them.
    """
    flags = 0
    joined: list[tuple[str, int]] = []
    for namespace in namespaces:
        flag = _NAMESPACES[namespace["type"]]
        if namespace.get("path"):
            joined.append((namespace["path"], flag))
        elif flag != sys.CLONE_NEWCGROUP:
            flags |= flag
    return flags, joined


def own_namespaces(namespaces: list[dict[str, Any]]) -> int:
    """The flags of all namespaces that the container has not in common with the launcher."""
    flags = 0
    for namespace in namespaces:
        flags |= _NAMESPACES[namespace["type"]]
    return flags


def split_pids(joined: list[tuple[str, int]]) -> tuple[list[tuple[str, int]], str]:
    """The namespaces that a process enters itself, and the pid namespace that it has to be born in, if there is one."""
    pids = next((path for path, flag in joined if flag == sys.CLONE_NEWPID), "")
    return [one for one in joined if one[1] != sys.CLONE_NEWPID], pids


def cgroup_parent(linux: dict[str, Any]) -> str:
    """The group that was asked for as the parent: only such a path is absolute (config-linux.md, "Cgroups Path")."""
    path: str = linux.get("cgroupsPath") or ""
    return path.rpartition("/")[0].strip("/") if path.startswith("/") else ""


def has_cgroup_namespace(namespaces: list[dict[str, Any]]) -> bool:
    """Whether a cgroup namespace of its own is asked for."""
    return any(namespace["type"] == "cgroup" and not namespace.get("path") for namespace in namespaces)


def _root_steps(config: dict[str, Any]) -> list[Step]:
    """The root filesystem: an overlay where the first mount's destination is "/", else the directory itself."""
    path = config["root"]["path"]
    mounts = config.get("mounts") or []
    if mounts and mounts[0]["destination"] == "/":
        flags, _, _, data = mount_options(mounts[0].get("options") or [])
        # MS_NODEV: a node that the container makes, or that an image brought, opens nothing.
        flags |= sys.MS_NODEV
        common = ""
        if len(data) > _LOWERDIR_PAGE:
            common, data = _shorten(data)
        return [("mount_root", path, mounts[0]["type"], flags, data, common)]
    return [("bind_root", path)]


def _shorten(data: str) -> tuple[str, str]:
    """Lower directories relative to the directory that they share, so that many layers fit into a page."""
    options = data.split(",")
    index = next(number for number, option in enumerate(options) if option.startswith("lowerdir="))
    directories = options[index][len("lowerdir=") :].split(":")
    common = directories[0].rpartition("/")[0]
    while not all(directory.startswith(common + "/") for directory in directories):
        common = common.rpartition("/")[0]
    options[index] = "lowerdir=" + ":".join(directory[len(common) + 1 :] for directory in directories)
    return common or "/", ",".join(options)


SHARED = "shared"
"""The type of a mount that is another container's: its source is "mount namespace:path" (not of the OCI spec)."""


def _mount_steps(entry: dict[str, Any]) -> list[Step]:
    if entry.get("type") == SHARED:
        namespace, _, path = entry["source"].partition(":")
        return [("share_mount", entry["destination"], namespace, path)]
    options = entry.get("options") or []
    # OCI runtime spec, config.md, "Linux mount options": rro is ro for what is mounted below too.
    asked = [option for option in options if option in _READ_ONLY_TREE]
    tree: list[Step] = [("read_only_tree", entry["destination"], option != "rro") for option in asked]
    flags, clear, propagations, data = mount_options([option for option in options if option not in asked])
    kind = entry.get("type") or ("none" if flags & sys.MS_BIND else "")
    source = entry.get("source") or kind
    step: Step = ("mount", entry["destination"], kind, source, flags, clear, data, propagations)
    if entry.get("subpath"):
        step = ("mount_below", entry["subpath"], *step[1:])
    return [step, *tree]


def _parts_of_root(mounts: list[dict[str, Any]]) -> list[str]:
    """Where the root is composed of several overlays: those beside "/" itself that no other mount lies upon."""
    places = {entry["destination"] for entry in mounts if entry.get("type") == "overlay"} - {"/"}
    upon = [entry["destination"].rstrip("/") + "/" for entry in mounts if entry.get("type") != "overlay"]
    return sorted(place for place in places if not f"{place}/".startswith(tuple(upon)))


def _steps_of_mounts(mounts: list[dict[str, Any]]) -> list[Step]:
    """All but that of the root."""
    return [step for entry in mounts if entry["destination"] != "/" for step in _mount_steps(entry)]


def _as_user(entry: dict[str, Any], ids: int, *, own_network: bool) -> dict[str, Any]:
    """A mount as a user namespace allows it.

    devpts takes no group that is not mapped (EINVAL); sysfs shows a network, and is for who owns that (EPERM).
    """
    options = entry.get("options") or []
    if entry.get("type") == "devpts" and ids <= _GROUP_TTY:
        return {**entry, "options": [option for option in options if option != f"gid={_GROUP_TTY}"]}
    if entry.get("type") == "sysfs" and not own_network:
        return {**entry, "type": "bind", "source": "/sys", "options": ["rbind", *options]}
    return entry


def _device_steps(config: dict[str, Any], *, own_users: bool) -> list[Step]:
    if not any(entry["destination"] == "/dev" and entry.get("type") == "tmpfs" for entry in config.get("mounts") or []):
        return []
    if own_users:  # mknod(2) is for the machine's root, so the machine's own nodes are bound
        devices = [*DEFAULT_DEVICES, *((one["path"],) for one in config["linux"].get("devices") or [])]
        return [("bind_device", device[0]) for device in devices] + _DEV_LINK_STEPS
    steps: list[Step] = [("device", path, "c", major, minor, 0o666, 0, 0) for path, major, minor in DEFAULT_DEVICES]
    for device in config["linux"].get("devices") or []:
        mode = device.get("fileMode") or 0o666
        owner = (device.get("uid") or 0, device.get("gid") or 0)
        kind = "c" if device["type"] == "u" else device["type"]
        steps.append(("device", device["path"], kind, device.get("major") or 0, device.get("minor") or 0, mode, *owner))
    return steps + _DEV_LINK_STEPS


def _process_steps(process: dict[str, Any]) -> list[Step]:
    """What is done to the process itself, last; the order is that of kernel-imposed dependencies (see each)."""
    if process.get("oomScoreAdj") is not None:
        return [("oom_score", process["oomScoreAdj"])]
    return []


def _limit_steps(process: dict[str, Any]) -> list[Step]:
    """process.rlimits, when nothing is opened any more: the launcher's descriptors may be more than RLIMIT_NOFILE."""
    return [
        ("rlimit", _RLIMITS.index(limit["type"]), limit["soft"], limit["hard"])
        for limit in process.get("rlimits") or []
    ]


def identity_steps(process: dict[str, Any], *, seccomp: bool) -> list[Step]:
    """User, groups, capabilities, seccomp, working directory.

    seccomp(2) needs CAP_SYS_ADMIN unless no_new_privs is set, so it comes before the capabilities go; setgroups and
    setresuid need theirs, so the identity changes before capset; the working directory is entered as the user.
    """
    user = process.get("user") or {}
    capabilities = process.get("capabilities") or {}
    sets = {
        name: capability_mask(capabilities.get(name) or [])
        for name in ("bounding", "effective", "permitted", "inheritable", "ambient")
    }
    uid, gid = user.get("uid", 0), user.get("gid", 0)
    steps: list[Step] = [("own_streams", uid)] if uid else []
    steps.append(("bounding", sets["bounding"]))
    if process.get("noNewPrivileges"):
        steps.append(("no_new_privileges",))
    if seccomp:
        steps.append(("seccomp",))
    keep = uid != 0 and sets["ambient"] != 0
    steps.append(("identity", uid, gid, user.get("additionalGids") or [], keep))
    if uid == 0 or keep:
        steps.append(("capabilities", sets["effective"], sets["permitted"], sets["inheritable"], sets["ambient"]))
    steps.append(("umask", user.get("umask", 0o022)))
    steps.append(("directory", process.get("cwd") or "/"))
    return steps


def root_steps(config: dict[str, Any], kinds: frozenset[str]) -> list[Step]:
    """The root, and those mounts that are of these types: for work on the files of what does not run."""
    mounts = [entry for entry in config.get("mounts") or [] if entry.get("type") in kinds]
    return _root_steps(config) + _steps_of_mounts(mounts)


def compile_container(
    config: dict[str, Any],
    *,
    seccomp: bool,
    absent: frozenset[str] = frozenset(),
    own_users: int = 0,
    init: bool = False,
) -> list[Step]:
    """All steps between clone3 and execve for one container.

    ``absent``: paths below /proc and /sys that this kernel does not have, so that nothing need be hidden there.
    ``own_users``: how many ids there are where the launcher is in a user namespace of its own, else 0.
    ``init``: whether the first process is to be a reaper, and the program its child.
    """
    linux = config["linux"]
    mounts = config.get("mounts") or []
    steps = _root_steps(config)
    if own_users:
        own_network = any(one["type"] == "network" for one in linux["namespaces"])
        mounts = [_as_user(entry, own_users, own_network=own_network) for entry in mounts]
    steps += _steps_of_mounts(mounts)
    steps += _device_steps(config, own_users=bool(own_users))
    if config.get("hostname"):
        steps.append(("hostname", config["hostname"]))
    if config.get("domainname"):
        steps.append(("domainname", config["domainname"]))
    steps += [("sysctl", name.replace(".", "/"), str(value)) for name, value in (linux.get("sysctl") or {}).items()]
    steps += _process_steps(config["process"])
    steps += [("read_only", path) for path in linux.get("readonlyPaths") or []]
    steps += [("mask", path) for path in linux.get("maskedPaths") or [] if path not in absent]
    steps += _terminal_steps(config["process"], "/dev/console")
    steps.append(("make_directory", config["process"].get("cwd") or "/", config["process"].get("user") or {}))
    steps.append(("pivot",))
    if config["root"].get("readonly"):
        steps.append(("read_only_root", _parts_of_root(mounts)))
    steps += _limit_steps(config["process"])
    steps.append(("session", bool(config["process"].get("terminal"))))
    steps += identity_steps(config["process"], seccomp=seccomp)
    if init:
        steps.append(("init", config["process"]["args"]))
    return steps


def compile_exec(process: dict[str, Any], *, seccomp: bool) -> list[Step]:
    """All steps between clone3 and execve for one more process of a container, which is in its namespaces already."""
    steps = _terminal_steps(process, "") + _limit_steps(process)
    steps.append(("session", bool(process.get("terminal"))))
    return steps + identity_steps(process, seccomp=seccomp)


def _terminal_steps(process: dict[str, Any], console: str) -> list[Step]:
    if not process.get("terminal"):
        return []
    size = process.get("consoleSize") or {}
    return [("terminal", "/dev/pts/ptmx", console, size.get("height", 0), size.get("width", 0))]


def split_staged(steps: list[Step]) -> tuple[list[Step], list[Step]]:
    """The steps below /proc and /dev, which can be taken before the root is known, and the rest.

    The rest moves them into place right after its root. /sys is not among them: sysfs shows the network namespace of
    whoever mounts it. Nothing is staged where a mount's source is a path of the machine.
    """
    staged = [
        step
        for step in steps
        if (step[0] == "mount" and _below(step[1]) and not step[4] & sys.MS_BIND and not step[7])
        or (step[0] in {"device", "bind_device", "read_only", "mask"} and _below(step[1]))
        or (step[0] == "symlink" and _below(step[2]))
    ]
    heads = [step[1] for step in staged if step[0] == "mount" and step[1] in STAGED]
    if heads != list(STAGED):
        return [], steps
    rest = [step for step in steps if step not in staged]
    return staged, [rest[0], *(("move", path) for path in STAGED), *rest[1:]]


STAGED = ("/proc", "/dev")


def _below(path: str) -> bool:
    return path in STAGED or path.startswith(("/proc/", "/dev/"))
