"""Which reason is given for what the kernel said, and which command helps: from given texts, nothing is tried."""

from __future__ import annotations

import errno
import os

import pytest

from container_runtime.doctor import limits, machine, reasons, storage, users
from container_runtime.doctor.attempt import Failure, failure_of
from container_runtime.doctor.surroundings import Surroundings, container_kind, parse_status
from container_runtime.errors import KernelError

ADMIN = 1 << 21
ALL = (1 << 41) - 1
USER = Surroundings(
    system="Linux",
    release="6.8.0-31-generic",
    machine="x86_64",
    user=1000,
    name="ann",
    capabilities=0,
    seccomp=False,
    no_new_privileges=False,
    apparmor="unconfined",
    container="",
    systemd=True,
    chroot=False,
    all_ids=True,
    sysctls={"user.max_user_namespaces": "15000"},
)
ROOT = USER._replace(user=0, name="root", capabilities=ALL)


def failure(step: str, number: int, path: str = "") -> Failure:
    return failure_of(KernelError(step, path, number))


NO_NAMESPACE = failure("make a user namespace", errno.EPERM)
UNMAPPED = failure("map the user's id", errno.EPERM, "/proc/self/uid_map")


def with_sysctl(name: str, value: str) -> Surroundings:
    return USER._replace(sysctls={**USER.sysctls, name: value})


@pytest.mark.parametrize(
    ("said", "here", "why", "remedy"),
    [
        (NO_NAMESPACE, with_sysctl("kernel.unprivileged_userns_clone", "0"),
         "kernel.unprivileged_userns_clone is 0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (failure("make a user namespace", errno.ENOSPC), with_sysctl("user.max_user_namespaces", "0"),
         "user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=15000"),
        (failure("make a user namespace", errno.ENOSPC), with_sysctl("user.max_user_namespaces", "7"),
         "all user namespaces that user.max_user_namespaces allows (7) are in use",
         "sysctl -w user.max_user_namespaces=14"),
        (UNMAPPED, with_sysctl("kernel.apparmor_restrict_unprivileged_userns", "1"),
         "kernel.apparmor_restrict_unprivileged_userns is 1",
         "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
        (failure("use a user namespace", errno.EPERM), with_sysctl("kernel.apparmor_restrict_unprivileged_userns", "1"),
         "AppArmor takes the rights", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
        (NO_NAMESPACE, USER._replace(seccomp=True), "a seccomp profile forbids", "--security-opt seccomp=unconfined"),
        (NO_NAMESPACE, USER._replace(seccomp=True, container="podman"), "a seccomp profile forbids", "podman run"),
        (NO_NAMESPACE, USER._replace(chroot=True), "chroot", "outside of the chroot"),
        (failure("make a user namespace", errno.EINVAL), USER, "CONFIG_USER_NS", "run as root"),
        (failure("make a user namespace", errno.EUSERS), USER, "nested too deep", "outside"),
        (NO_NAMESPACE, USER, "a security module may be", "run as root"),
    ],
)  # fmt: skip
def test_why_there_is_no_user_namespace(said: Failure, here: Surroundings, why: str, remedy: str) -> None:
    reason = reasons.user_namespaces(said, here)
    assert why in reason.why
    assert remedy in reason.remedy


@pytest.mark.parametrize(
    ("number", "here", "why", "remedy"),
    [
        (errno.EPERM, ROOT._replace(capabilities=ALL & ~(1 << 12)), "no CAP_NET_ADMIN", "--cap-add NET_ADMIN"),
        (errno.EPERM, ROOT._replace(apparmor="docker-default (enforce)"), "profile docker-default", "apparmor=unconf"),
        (errno.EPERM, ROOT._replace(all_ids=False), "root is one of a user namespace", "--bounding-set=-sys_admin"),
        (errno.EPERM, ROOT._replace(seccomp=True), "seccomp profile", "seccomp=unconfined"),
        (errno.ENOSYS, USER._replace(seccomp=True), "is older", "seccomp=unconfined"),
        (errno.ENOSYS, USER, "does not have it", "Linux 5.11"),
        (errno.EROFS, ROOT, "read-only", "--privileged"),
        (errno.EOPNOTSUPP, USER, "veth", "modprobe -a veth"),
        (errno.EIO, USER, "Input/output error", "run as root"),
    ],
)
def test_why_a_step_was_refused(number: int, here: Surroundings, why: str, remedy: str) -> None:
    reason = reasons.refusal(failure("make veth pair", number, "x"), here, capability="CAP_NET_ADMIN", modules="veth")
    assert why in reason.why
    assert remedy in reason.remedy


def test_a_kind_of_namespace_that_is_used_up_is_named_by_its_sysctl() -> None:
    here = with_sysctl("user.max_mnt_namespaces", "0")
    reason = reasons.namespace("mount", failure("unshare", errno.ENOSPC), here)
    assert reason.why == "user.max_mnt_namespaces is 0"
    assert "CONFIG_UTS_NS" in reasons.namespace("uts", failure("unshare", errno.EINVAL), here).why


DOCKER_MOUNTS = """\
1 0 0:1 / / rw - overlay overlay rw
2 1 0:2 / /proc rw - proc proc rw
3 2 0:2 /bus /proc/bus ro - proc proc rw
4 2 0:3 / /proc/kcore rw - tmpfs tmpfs rw
5 1 0:4 / /sys ro - sysfs sysfs ro
6 5 0:5 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw
7 5 0:6 / /sys/firmware ro - tmpfs tmpfs ro
8 1 0:7 / /processes rw - tmpfs tmpfs rw
"""


def test_masks_are_found_and_mounts_that_hide_nothing_are_none() -> None:
    assert reasons.covered(DOCKER_MOUNTS, "/proc") == ["/proc/bus", "/proc/kcore"]
    assert reasons.covered(DOCKER_MOUNTS, "/sys") == ["/sys/firmware"]


def test_masks_are_the_reason_in_a_user_namespace_only() -> None:
    said = failure("mount", errno.EPERM, "proc")
    reason = reasons.kernel_filesystem("/proc", said, USER, ["/proc/bus"])
    assert "masked (/proc/bus)" in reason.why
    assert "systempaths=unconfined" in reason.remedy
    assert "unmask=ALL" in reasons.kernel_filesystem("/proc", said, USER._replace(container="podman"), ["/x"]).remedy
    assert "masked" not in reasons.kernel_filesystem("/proc", said, ROOT, ["/proc/bus"]).why


HELPERS: dict[str, str | None] = {"newuidmap": "/usr/bin/newuidmap", "newgidmap": "/usr/bin/newgidmap"}


def test_which_part_of_the_subordinate_ids_is_missing() -> None:
    line = "ann:100000:65536\n"
    assert users.missing_parts(USER, HELPERS, line, line) == ("", "")
    assert users.missing_parts(USER, HELPERS, "1000:100000:65536\n", line) == ("", "")
    nothing = users.missing_parts(USER, {"newuidmap": None, "newgidmap": None}, line, line)
    assert nothing == ("newuidmap and newgidmap are not installed", "as root: apt-get install uidmap")
    other = users.missing_parts(USER, HELPERS, "bob:100000:65536\n", line)
    assert other.why == "ann is not in /etc/subuid"
    assert other.remedy == "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ann"
    nameless = users.missing_parts(USER._replace(name=""), HELPERS, "", "")
    assert "has no name" in nameless.why
    assert "echo 1000:100000:65536" in nameless.remedy


@pytest.mark.parametrize("line", ["", "ann", "ann::", "ann:1:0", "ann:1:x", "anna:1:5", "# ann:1:5"])
def test_what_gives_no_range(line: str) -> None:
    assert not users.has_range(line, 1000, "ann")


V1 = "1 0 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n2 0 0:2 / /sys/fs/cgroup/cpu rw - cgroup c rw,cpu\n"
WANTED = ["memory", "cpu", "pids"]


def test_why_nothing_can_be_limited() -> None:
    none = limits.why_none(WANTED, limits.hierarchies(""), USER)
    assert none.why == "no cgroup hierarchy is mounted"
    v1 = limits.why_none(["memory", "cpu"], limits.hierarchies(V1), USER)
    assert "v1 is not delegated to users" in v1.why
    absent = limits.why_none(["memory", "pids"], limits.hierarchies(V1), ROOT)
    assert "no cgroup controller pids" in absent.why
    read_only = limits.why_none(WANTED, limits.hierarchies(V1.replace(" rw -", " ro -")), ROOT)
    assert "read-only" in read_only.why
    assert "--privileged" in read_only.remedy
    v2 = limits.Hierarchies(frozenset(), "/sys/fs/cgroup", frozenset(WANTED), read_only=False)
    scope = limits.why_none(WANTED, v2, USER)
    assert scope.why == "no cgroup is delegated to this user"
    assert scope.remedy.startswith("systemd-run --user --scope -p Delegate=yes pytest …")
    assert "user@.service.d" in limits.why_none(["cpu"], v2, USER).remedy
    assert "systemd-run" not in limits.why_none(WANTED, v2, USER._replace(systemd=False)).remedy


def test_each_refused_limit_is_in_the_finding() -> None:
    found = {"version": "v2", "refused": {"cpu": [*Failure("cpu.max: no")]}, "devices": None}
    v2 = limits.Hierarchies(frozenset(), "/sys/fs/cgroup", frozenset({"memory", "pids"}), read_only=False)
    first, second = limits.findings(found, v2, ROOT)
    assert first.state == "limited"
    assert "limit of cpu is an error; memory, pids can be limited" in first.cost
    assert (second.state, second.why) == ("ok", "by an eBPF program")


def test_a_group_that_cannot_be_entered_stops_everything() -> None:
    found = {"version": "v2", "refused": {}, "entry": [*failure("clone3 into a cgroup", errno.EACCES)]}
    (only,) = limits.findings(found, limits.hierarchies(V1), USER)
    assert only.state == "missing"
    assert "not entered" in only.why


def test_the_longest_path_of_a_socket() -> None:
    home = "/run/user/1000/pytest-containers"
    assert storage.longest_socket(home) == len(home) + len("/run-4194304-abcdef.4194304/docker.sock")
    assert storage.longest_socket(home) <= storage.LONGEST_SOCKET
    found = {"home": "/" + "x" * 90, "data": "/d"}
    first, second = storage.findings(found, USER)
    assert (first.state, second.state) == ("missing", "ok")
    assert "107 are allowed" in first.why


def test_directories_as_findings() -> None:
    found = {
        "home": "/run/pytest-containers",
        "data": "/var/lib/pytest-containers",
        "run": None,
        "layers": "/dev/shm/pytest-containers-0/layers-of-runs/run-1-a",
        "kind": "tmpfs",
        "strategy": "overlay",
        "overlay": "",
        "!host": [*Failure("no place")],
        "free": [["/var/lib/pytest-containers", 50_000_000, -1], ["/dev/shm/x", 10**9, 5]],
    }
    by_name = {finding.name: finding for finding in storage.findings(found, ROOT)}
    states = {name: finding.state for name, finding in by_name.items()}
    assert states == {
        "run directory": "ok",
        "data directory": "ok",
        "writable layers": "limited",
        "overlayfs": "ok",
        "image host": "limited",
        "free space": "limited",
    }
    assert by_name["free space"].why == "/var/lib/pytest-containers has 50 MB, /dev/shm/x has 5 inodes free"
    refused = storage.findings({**found, "!overlay": [*failure("mount", errno.ENODEV, "overlay")]}, ROOT)
    assert next(one for one in refused if one.name == "overlayfs").remedy.endswith("modprobe -a overlay")


@pytest.mark.parametrize(("strategy", "state", "host"), [
    ("overlay", "missing", "limited"), ("fuse-overlayfs", "limited", "ok"), ("copies", "limited", "absent")
])  # fmt: skip
def test_what_there_is_instead_of_overlays(strategy: str, state: str, host: str) -> None:
    found = {
        "home": "/run/x", "data": "/data", "run": None, "layers": "/data/x", "kind": "ext4", "strategy": strategy,
        "!overlay": [*failure("mount", errno.EPERM, "overlay")], "free": [["/data", 10**9, -1]],
        **({"!host": [*Failure("no place")]} if strategy == "overlay" else {}),
    }  # fmt: skip
    by_name = {finding.name: finding for finding in storage.findings(found, ROOT)}
    assert by_name["overlayfs"].state == state
    assert strategy == "overlay" or "instead" in by_name["overlayfs"].why
    assert (by_name["image host"].state if "image host" in by_name else "absent") == host


def test_the_kernel_and_the_machine() -> None:
    assert machine.kernel(USER).state == "ok"
    assert machine.kernel(USER._replace(release="5.10.0-28-amd64")).state == "limited"
    assert machine.kernel(USER._replace(release="strange")).state == "ok"
    assert machine.kernel(USER._replace(machine="riscv64")).state == "missing"
    assert machine.kernel(USER._replace(system="Darwin", machine="arm64")).state == "missing"


def test_who_asks() -> None:
    assert ROOT.who == "root"
    assert USER.who == "user ann (1000) in a user namespace"
    assert ROOT._replace(capabilities=ALL & ~ADMIN).who == "root without CAP_SYS_ADMIN, in a user namespace"
    assert USER._replace(capabilities=ADMIN).who == "user ann (1000) with CAP_SYS_ADMIN"


def test_what_contains_us() -> None:
    assert container_kind(set(), {}) == ""
    assert container_kind({"/.dockerenv"}, {}) == "docker"
    assert container_kind({"/.dockerenv"}, {"KUBERNETES_SERVICE_HOST": "x"}) == "kubernetes"
    assert container_kind({"/run/.containerenv"}, {"container": "podman"}) == "podman"
    assert container_kind(set(), {"container": "lxc"}) == "lxc"
    assert parse_status("CapEff:\t00ff\nSeccomp:\t2\n") == {"CapEff": "00ff", "Seccomp": "2"}


def test_an_error_as_a_failure() -> None:
    assert failure_of(OSError(errno.EACCES, os.strerror(errno.EACCES), "/x")).message == "/x: Permission denied"
    assert failure_of(KernelError("mount", "proc", errno.EPERM)) == (
        "mount proc: Operation not permitted", errno.EPERM, "mount", "proc"
    )  # fmt: skip
    assert failure_of(ValueError()).message == "ValueError"
