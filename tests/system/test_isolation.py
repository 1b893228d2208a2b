"""What a process in a container sees, and what it cannot do, on the real kernel."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.vm

# capabilities(7), by number: Docker's default set, CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP
# NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP.
DEFAULT_CAPABILITIES = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


@pytest.fixture
def box(containers):
    """A container that does nothing, to look around in."""
    return containers.run("host", ["sleep", "1000"])


def sh(container, script: str) -> str:
    done = container.exec(["sh", "-c", script])
    assert done.exit_code == 0, done
    return done.stdout


def status(container) -> dict[str, str]:
    lines = sh(container, "cat /proc/self/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_processes_are_its_own(box):
    assert sorted(sh(box, "exec ps -eo args=").split("\n")) == ["", "ps -eo args=", "sleep 1000"]


def test_first_process_is_the_command(box):
    assert sh(box, "tr '\\0' ' ' </proc/1/cmdline") == "sleep 1000 "


def test_namespaces_are_its_own(box):
    for name in NAMESPACES:
        assert sh(box, f"readlink /proc/self/ns/{name}").strip() != os.readlink(f"/proc/self/ns/{name}")  # noqa: PTH115
        assert sh(box, f"readlink /proc/self/ns/{name}") == sh(box, f"readlink /proc/1/ns/{name}")


def test_hostname_is_its_own(box):
    assert sh(box, "hostname").strip() == box.id[:12] != socket.gethostname()
    assert sh(box, "cat /etc/hostname").strip() == box.id[:12]


def test_address_is_its_own(box):
    lines = [line.split() for line in sh(box, "ip -o -4 addr").splitlines()]
    assert {words[1] for words in lines} == {"lo", "eth0"}
    assert box.address(1).partition(":")[0] in {words[3].split("/")[0] for words in lines}
    assert "default via " in sh(box, "ip route")


def test_mounts_are_its_own(box):
    mounts = [line.split() for line in sh(box, "cat /proc/mounts").splitlines()]
    kinds = {point: kind for _, point, kind, *_ in mounts}
    assert (kinds["/"], kinds["/proc"], kinds["/dev"], kinds["/dev/pts"]) == ("overlay", "proc", "tmpfs", "devpts")
    assert (kinds["/dev/shm"], kinds["/dev/mqueue"], kinds["/sys"]) == ("tmpfs", "mqueue", "sysfs")
    read_only = {point for _, point, _, options, *_ in mounts if "ro" in options.split(",")}
    assert {"/sys", "/proc/sys"} <= read_only


def test_ipc_is_its_own(box):
    queue = subprocess.run(["ipcmk", "-Q"], capture_output=True, text=True, check=True).stdout.split()[-1]
    try:
        assert f" {queue} " in subprocess.run(["ipcs", "-q"], capture_output=True, text=True, check=True).stdout
        assert "0x" not in sh(box, "ipcs -q")
    finally:
        subprocess.run(["ipcrm", "-q", queue], check=True)


def test_files_that_it_writes_are_not_on_the_machine(box):
    before = Path("/etc/passwd").read_bytes()
    sh(box, "echo x >/etc/only-here && echo x >>/etc/passwd && rm /etc/debian_version")
    assert not Path("/etc/only-here").exists()
    assert Path("/etc/passwd").read_bytes() == before
    assert Path("/etc/debian_version").exists()


def test_files_of_another_container_are_not_seen(box, containers):
    sh(box, "echo x >/etc/only-here")
    other = containers.run("host", ["sleep", "1000"])
    assert other.exec(["cat", "/etc/only-here"]).exit_code != 0


def test_devices_are_few(box):
    usual = {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm"}
    usual |= {"stderr", "stdin", "stdout", "tty", "urandom", "zero"}
    assert set(sh(box, "ls /dev").split()) <= usual
    assert sh(box, "head -c 3 /dev/zero | wc -c; echo x >/dev/null; echo x >/dev/shm/x; cat /dev/shm/x") == "3\nx\n"


@pytest.mark.parametrize("place", ["/tmp/device", "/dev/device"])
def test_a_device_that_was_not_allowed_cannot_be_opened(box, place):
    done = box.exec(["sh", "-c", f"mknod {place} c 1 1 && head -c 1 {place}"])  # /dev/mem
    assert done.exit_code != 0
    assert "not permitted" in done.stderr or "ermission denied" in done.stderr


def test_capabilities_are_the_default_set(box):
    seen = status(box)
    assert [int(seen[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")] == [DEFAULT_CAPABILITIES] * 3
    assert int(seen["CapAmb"], 16) == 0


@pytest.mark.parametrize(
    "command",
    ["mount -t tmpfs tmpfs /mnt", "umount /proc", "hostname other", "date -s 12:00", "dmesg", "ip link set lo down"],
)
def test_what_needs_a_capability_that_it_has_not(box, command):
    assert box.exec(command).exit_code != 0


def test_system_calls_are_filtered(box):
    assert status(box)["Seccomp"] == "2"
    done = box.exec(["unshare", "--user", "true"])  # needs no capability: only the filter can refuse it
    assert (done.exit_code, "not permitted" in done.stderr) == (1, True)


def test_secrets_of_the_kernel_are_masked(box):
    assert sh(box, "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c").strip() == "0"
    assert box.exec(["sh", "-c", "echo 1 >/proc/sys/kernel/printk"]).exit_code != 0
    assert box.exec(["sh", "-c", "echo b >/proc/sysrq-trigger"]).exit_code != 0


def test_no_descriptor_of_the_engine_gets_in(box):
    """Nor one that pytest itself was started with."""
    assert sh(box, "exec ls /proc/self/fd").split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads
    assert sh(box, "ls /proc/1/fd").split() == ["0", "1", "2"]


@pytest.mark.needs("other-users")
def test_a_user_has_no_capabilities(containers):
    nobody = containers.run("host", ["sleep", "1000"], user="nobody", workdir="/usr")
    assert sh(nobody, "id -un; pwd").split() == ["nobody", "/usr"]
    assert int(status(nobody)["CapEff"], 16) == 0
    assert nobody.exec(["touch", "/etc/x"]).exit_code != 0


def test_environment_is_given_and_not_inherited(containers, monkeypatch):
    monkeypatch.setenv("ONLY_IN_THE_TEST", "1")
    box = containers.run("host", ["sleep", "1000"], env={"COLOUR": "blue"})
    environment = sh(box, "env").split("\n")
    assert "COLOUR=blue" in environment
    assert not [line for line in environment if line.startswith("ONLY_IN_THE_TEST")]
