"""Podman's containers as outer ones, rootful and rootless: pytest runs containers of ours in them.

Podman comes from benchmarks/peers.sh, in a mount namespace in which the machine's root is a directory.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import filelock
import pytest

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "benchmarks/peers.sh"
HANG = 60
DEBIAN = "/usr/bin/python3"
VERSION = subprocess.run([DEBIAN, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)

pytestmark = [
    pytest.mark.needs("root"),
    pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="needs mmdebstrap, which makes Podman's root filesystem"),
    pytest.mark.skipif(
        VERSION.stdout.split() != [str(number) for number in sys.version_info[:2]],
        reason="needs Debian's Python in the version of this one: packages that are installed here are used by it",
    ),
]

# In a mount namespace of its own: the machine's root, packages and checkout below $1, then Podman's root as the root.
ENTER = """
mount --bind / "$1/machine"
mount --bind "$2" "$1/site"
mount --bind "$3" "$1/checkout"
exec "$4" hold "$1"
"""
SKELETON = "usr etc tmp run proc sys dev home root srv opt mnt/site mnt/checkout var/tmp var/lib".split()
ROOTFUL = ["env", "PODMAN_IGNORE_CGROUPSV1_WARNING=1", "podman"]
AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all", "env", "-i"]
PLACES = ["HOME=/tmp/home", "XDG_RUNTIME_DIR=/tmp/home", "PATH=/usr/bin:/usr/sbin"]
ROOTLESS = [*AS_NOBODY, *PLACES, *ROOTFUL[1:], "--storage-opt", "overlay.ignore_chown_errors=true"]


@pytest.fixture(scope="module")
def shared():
    """A directory that everybody may look into, as the rootless one has to."""
    path = Path("/var/tmp") / f"podman-test-{os.getpid()}"
    for name in ("machine", "site", "checkout", *(f"root/{one}" for one in SKELETON)):
        (path / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (path / "root" / name).symlink_to(f"usr/{name}")
    subprocess.run(["chown", "-R", "nobody", path / "root"], check=True)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def enter(shared):
    """The words that run a command beside Podman."""
    place = Path(os.environ.get("PEERS_ROOT", "/var/cache/pytest-containers-peers"))
    with filelock.FileLock(f"{place}.lock"):
        built = subprocess.run([PEERS, "build"], capture_output=True, text=True)
    if built.returncode:
        pytest.skip(f"Podman cannot be had: {built.stderr[-500:]}")
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", ENTER, "sh"]
    places = [shared, sysconfig.get_path("purelib"), ROOT, PEERS]
    with subprocess.Popen([*words, *places], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdin is not None
        assert holding.stdout is not None
        word, pid = holding.stdout.readline().split()
        assert word == "ready"
        enter = ["nsenter", "-t", pid, "-m", "-p"]
        subprocess.run([*enter, "install", "-d", "-o", "nobody", "/tmp/home"], check=True)
        yield enter
        holding.stdin.close()
        assert holding.wait(HANG) == 0


def run(enter, podman, shared, options, *words):
    """``podman run`` with the machine's files as the root filesystem; no network, which would change the machine's."""
    store = ["--root", "/tmp/home/root" if podman is ROOTLESS else "/tmp/root", "--runroot", "/tmp/home/run"]
    if podman is not ROOTLESS:
        store[-1] = "/tmp/run"
    common = ["--cgroup-manager", "cgroupfs", "--runtime", "runc", "run", "--rm", "--network", "none"]
    places = ["-v", f"{shared}/checkout:/mnt/checkout:ro", "-v", f"{shared}/site:/mnt/site:ro", "-w", "/mnt/checkout",
              "-e", "PYTHONPATH=/mnt/site:/mnt/checkout:/mnt/checkout/runtime", "-e", "HOME=/home"]  # fmt: skip
    # Rootless Podman cannot lay an overlay over files of an owner that it has not mapped.
    root = ["--rootfs", f"{shared}/machine:O"]
    if podman is ROOTLESS:
        binds = [option for name in ("usr", "etc") for option in ("-v", f"{shared}/machine/{name}:/{name}:ro")]
        root = [*binds, "--rootfs", f"{shared}/root"]
    command = [*enter, *podman, *store, *common, *places, *options, *root, DEBIAN, "-B", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG)


QUICKSTART = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/quickstart")
UNMASKED = ["--security-opt", "unmask=ALL", "--shm-size", "256m"]
UNCONFINED = [*UNMASKED, "--security-opt", "seccomp=unconfined"]


@pytest.mark.parametrize(("podman", "options"), [
    pytest.param(ROOTFUL, UNMASKED, id="rootful"),
    pytest.param(ROOTFUL, [*UNCONFINED, "-u", "1234:1234"], id="rootful-user"),
    pytest.param(ROOTFUL, ["--privileged"], id="rootful-privileged"),
    pytest.param(ROOTLESS, UNCONFINED, id="rootless"),
    pytest.param(ROOTLESS, ["--privileged", "--shm-size", "256m"], id="rootless-privileged"),
])  # fmt: skip
def test_the_quickstart_with_what_the_documentation_says(enter, shared, podman, options):
    done = run(enter, podman, shared, options, *QUICKSTART)
    assert (done.returncode, "4 passed" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize(("podman", "options", "reasons"), [
    pytest.param(ROOTFUL, [], ["podman run --security-opt unmask=ALL"], id="rootful"),
    pytest.param(ROOTLESS, UNMASKED, ["sethostname", "podman run --security-opt seccomp=unconfined"], id="rootless"),
])  # fmt: skip
def test_the_doctor_says_what_else_is_needed(enter, shared, podman, options, reasons):
    done = run(enter, podman, shared, options, "-m", "container_runtime", "doctor")
    assert (done.returncode, "No container can be started here" in done.stdout) == (1, True), done.stdout + done.stderr
    assert [reason for reason in reasons if reason not in done.stdout] == [], done.stdout
