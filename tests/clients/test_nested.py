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
