"""A container in which pytest runs containers: as root of the outer one, and as an ordinary user of it."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker command (tests/run installs it)"),
    pytest.mark.needs("root"),
]

ROOT = Path(__file__).parents[2]
ALLOWED = ("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined")


SITE, CHECKOUT = "/mnt/site", "/mnt/checkout"
# Debian's Python where it can use what is installed for this one: it is everybody's, and this one may lie below /root.
DEBIAN = subprocess.run(["/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True)
PYTHON = "/usr/bin/python3" if DEBIAN.stdout.split() == (b"%d %d" % sys.version_info[:2]).split() else sys.executable
PLACES = ("-v", f"{ROOT}:{CHECKOUT}:ro", "-v", f"{sysconfig.get_path('purelib')}:{SITE}:ro", "-w", CHECKOUT,
          "-e", f"PYTHONPATH={SITE}:{CHECKOUT}:{CHECKOUT}/runtime", "-e", "HOME=/home")  # fmt: skip


def run_inside(docker, *words, options=()):
    return docker("run", "--rm", *ALLOWED, *PLACES, *options, "host", *words)


@pytest.mark.parametrize("user", ["root", "1234:1234"])
def test_the_quickstart_in_a_container(docker, user):
    words = [PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/quickstart"]
    code, out, err = run_inside(docker, *words, options=["-u", user, "--shm-size", "256m"])
    assert (code, "4 passed" in out) == (0, True), out + err


def test_the_doctor_says_what_an_outer_container_forbids(docker):
    words = [PYTHON, "-B", "-m", "container_runtime", "doctor"]
    code, out, err = docker("run", "--rm", *PLACES, "host", *words)
    assert (code, err) == (1, "")
    assert "No container can be started here" in out
    assert "seccomp" in out
    code, out, err = run_inside(docker, *words)
    assert (code, err) == (0, ""), out
    assert "Containers can be started here" in out


# All places for writable layers are on an overlay, or may not be written: overlayfs refuses them.
WITHOUT_OVERLAY = """
set -e
export DOCKER_HOST=unix:///home/docker.sock PYTEST_CONTAINERS_DATA=/home/data
"$0" -B -P -m container_runtime serve --socket /home/docker.sock --watch-pid $$ &
while ! docker version >/dev/null 2>&1; do kill -0 $!; done
mkdir -p /home/root/bin
cp /bin/busybox /home/root/bin/
ln -s busybox /home/root/bin/sh
tar -C /home/root -c . | docker import - small >/dev/null
docker run --rm small sh -c 'busybox cat /proc/self/mountinfo' | head -n 1
cat /home/data/root-filesystem
"""


@pytest.mark.parametrize(("options", "strategy", "mount"), [
    (["--device", "/dev/fuse"], "fuse-overlayfs", " - fuse fuse-overlayfs "),
    ([], "copies", "/upper / rw,nodev"),
])  # fmt: skip
def test_root_filesystems_where_the_kernel_refuses_overlays(docker, tmp_path, options, strategy, mount):
    options = [*options, "-v", f"{tmp_path}:/dev/shm:ro"]
    code, out, err = run_inside(docker, "sh", "-c", WITHOUT_OVERLAY, PYTHON, options=options)
    assert code == 0, out + err
    assert mount in out.splitlines()[0]
    assert f" {strategy} 0" in out.splitlines()[-1]
