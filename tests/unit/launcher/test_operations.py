"""config.json as steps: what a container's child would do, without one."""

import pytest

from container_runtime.kernel import syscalls
from container_runtime.launcher import operations


def config(**changes):
    base = {
        "root": {"path": "/run/root"},
        "process": {"args": ["true"], "cwd": "/work", "user": {"uid": 0, "gid": 0}, "capabilities": {}},
        "mounts": [],
        "linux": {"namespaces": []},
    }
    return base | changes


def names(steps):
    return [step[0] for step in steps]


def test_options_become_flags_and_data():
    flags, clear, propagations, data = operations.mount_options(["ro", "nosuid", "mode=755", "rw", "rslave", "size=1m"])
    assert flags == syscalls.MS_NOSUID
    assert clear == syscalls.MS_RDONLY
    assert propagations == [syscalls.MS_SLAVE | syscalls.MS_REC]
    assert data == "mode=755,size=1m"


def test_root_overlay_comes_first_and_takes_no_devices():
    overlay = {"destination": "/", "type": "overlay", "options": ["lowerdir=/a:/b", "upperdir=/u", "workdir=/w"]}
    step = operations.compile_container(config(mounts=[overlay]), seccomp=False)[0]
    assert step == (
        "mount_root",
        "/run/root",
        "overlay",
        syscalls.MS_NODEV,
        "lowerdir=/a:/b,upperdir=/u,workdir=/w",
        "",
    )


def test_many_layers_are_named_from_where_they_lie():
    layers = ":".join(f"/var/lib/pytest-containers/images/layers/{number:064x}" for number in range(45))
    overlay = {"destination": "/", "type": "overlay", "options": [f"lowerdir={layers}", "upperdir=/u", "workdir=/w"]}
    _, _, _, _, data, common = operations.compile_container(config(mounts=[overlay]), seccomp=False)[0]
    assert common == "/var/lib/pytest-containers/images/layers"
    assert len(data) < 4096
    assert data.startswith(f"lowerdir={0:064x}:")


def test_the_order_that_the_kernel_dictates():
    process = {
        "args": ["true"],
        "cwd": "/",
        "user": {"uid": 5, "gid": 6, "additionalGids": [7]},
        "noNewPrivileges": True,
        "capabilities": {"bounding": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"]},
    }
    steps = operations.compile_container(
        config(process=process) | {"linux": {"namespaces": [], "maskedPaths": ["/proc/kcore"]}}, seccomp=True
    )
    order = names(steps)
    assert order.index("mask") < order.index("pivot") < order.index("session") < order.index("bounding")
    assert order[-7:] == [
        "bounding", "no_new_privileges", "seccomp", "identity", "capabilities", "umask", "directory",
    ]  # fmt: skip
    assert steps[-4] == ("identity", 5, 6, [7], True)


def test_an_ordinary_user_keeps_no_capabilities():
    steps = operations.identity_steps(
        {"user": {"uid": 5, "gid": 6}, "capabilities": {"effective": ["CAP_KILL"]}}, seccomp=False
    )
    assert "capabilities" not in names(steps)


def test_paths_that_the_kernel_has_not_got_are_not_masked():
    with_masks = config() | {"linux": {"namespaces": [], "maskedPaths": ["/proc/scsi", "/proc/kcore"]}}
    steps = operations.compile_container(with_masks, seccomp=False, absent=frozenset({"/proc/scsi"}))
    assert [step for step in steps if step[0] == "mask"] == [("mask", "/proc/kcore")]


def test_the_cgroup_namespace_is_not_cloned():
    namespaces = [{"type": "pid"}, {"type": "cgroup"}, {"type": "network", "path": "/proc/1/ns/net"}]
    flags, joined = operations.clone_flags(namespaces)
    assert flags == syscalls.CLONE_NEWPID
    assert joined == [("/proc/1/ns/net", syscalls.CLONE_NEWNET)]
    assert operations.has_cgroup_namespace(namespaces)


@pytest.mark.parametrize(("name", "bit"), [("CAP_CHOWN", 0), ("CAP_SYS_ADMIN", 21), ("CAP_CHECKPOINT_RESTORE", 40)])
def test_capability_numbers(name, bit):
    assert operations.capability_mask([name]) == 1 << bit


def test_an_unknown_capability_is_an_error():
    with pytest.raises(KeyError, match="CAP_NONE"):
        operations.capability_mask(["CAP_NONE"])


def test_a_read_only_root_is_so_in_all_its_parts_but_where_something_else_lies():
    places = ("/", "/usr", "/etc", "/var/lib")
    overlays = [{"destination": place, "type": "overlay", "options": ["lowerdir=/l"]} for place in places]
    binds = [{"destination": place, "type": "bind", "options": ["bind"]} for place in ("/etc/hosts", "/var")]
    document = config(mounts=[*overlays, *binds]) | {"root": {"path": "/r", "readonly": True}}
    assert ("read_only_root", ["/etc", "/usr"]) in operations.compile_container(document, seccomp=False)


def test_what_can_be_staged_is_moved_after_the_root():
    mounts = [
        {"destination": "/", "type": "overlay", "options": ["lowerdir=/"]},
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs"},
        {"destination": "/dev/data", "type": "bind", "source": "/srv", "options": ["rbind"]},
    ]
    document = config(mounts=mounts) | {"linux": {"namespaces": [], "maskedPaths": ["/proc/kcore", "/sys/firmware"]}}
    steps = operations.compile_container(document, seccomp=False)
    staged, rest = operations.split_staged(steps)
    assert names(rest)[:3] == ["mount_root", "move", "move"]
    assert [step[1] for step in staged if step[0] == "mount"] == ["/proc", "/dev"]
    assert [step[1] for step in rest if step[0] == "mount"] == ["/sys", "/dev/data"]
    assert [step[1] for step in rest if step[0] == "mask"] == ["/sys/firmware"]
    assert sorted(map(repr, steps)) == sorted(map(repr, [*staged, *(step for step in rest if step[0] != "move")]))


def test_nothing_is_staged_without_both():
    steps = operations.compile_container(config(), seccomp=False)
    assert operations.split_staged(steps) == ([], steps)


def test_a_terminal_is_opened_before_the_root_changes_and_bound_as_the_console():
    process = {"args": ["sh"], "cwd": "/", "terminal": True, "consoleSize": {"height": 3, "width": 4}}
    steps = operations.compile_container(config(process=process), seccomp=False)
    order = names(steps)
    assert order.index("terminal") < order.index("pivot") < order.index("session")
    assert ("terminal", "/dev/pts/ptmx", "/dev/console", 3, 4) in steps
    assert operations.compile_exec(process, seccomp=False)[:2] == [
        ("terminal", "/dev/pts/ptmx", "", 3, 4),
        ("session", True),
    ]
    assert "terminal" not in names(operations.split_staged(steps)[0])


def test_init_comes_last_and_streams_become_the_users_before_the_rights_go():
    process = {"args": ["sh", "-c", "x"], "cwd": "/", "user": {"uid": 5, "gid": 5}}
    steps = operations.compile_container(config(process=process), seccomp=True, init=True)
    assert steps[-1] == ("init", ["sh", "-c", "x"])
    order = names(steps)
    assert order.index("own_streams") < order.index("bounding") < order.index("seccomp")


def test_the_namespaces_that_an_exec_enters_are_the_containers_own():
    """Not the machine's, which an ordinary user may not enter: those are not in the list."""
    shared = [{"type": "mount"}, {"type": "uts"}, {"type": "ipc", "path": "/proc/1/ns/ipc"}]
    own = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
    assert operations.own_namespaces(shared) == own
