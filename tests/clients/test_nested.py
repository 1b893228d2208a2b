"""A container in which pytest runs containers: as root of the outer one, and as an ordinary user of it."""

import shutil
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


def python_in_container():
    """What has to be bound for this Python to be there: what lies where the image host shows nothing."""
    places = {str(ROOT), sys.prefix, sys.base_prefix}
    return [word for place in sorted(places) for word in ("-v", f"{place}:{place}:ro")]


def python_for(user):
    """Root's own Python lies where nobody else may look; Debian's has the same version."""
    hidden = user != "root" and sys.base_prefix.startswith("/root/")
    return "/usr/bin/python3" if hidden else sys.executable


def run_inside(docker, *words, options=()):
    return docker("run", "--rm", "-w", str(ROOT), *ALLOWED, *python_in_container(), *options, "host", *words)


@pytest.mark.parametrize("user", ["root", "1234:1234"])
def test_the_quickstart_in_a_container(docker, user):
    words = [python_for(user), "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/quickstart"]
    path = f"{sysconfig.get_path('purelib')}:{ROOT}:{ROOT}/runtime"
    code, out, err = run_inside(
        docker, *words, options=["-u", user, "--shm-size", "256m", "-e", f"PYTHONPATH={path}", "-e", "HOME=/home"]
    )
    assert (code, "4 passed" in out) == (0, True), out + err


def test_the_doctor_says_what_an_outer_container_forbids(docker):
    words = [sys.executable, "-B", "-m", "container_runtime", "doctor"]
    binds = python_in_container()
    code, out, err = docker("run", "--rm", "-w", str(ROOT), *binds, "host", *words)
    assert (code, err) == (1, "")
    assert "No container can be started here" in out
    assert "seccomp" in out
    code, out, err = run_inside(docker, *words)
    assert (code, err) == (0, ""), out
    assert "Containers can be started here" in out
