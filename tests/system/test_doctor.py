"""``pytest-containers doctor`` on the real kernel: its verdict is what happens, and it leaves nothing behind."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests import leftovers

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
DOCTOR = [sys.executable, "-P", "-m", "container_runtime", "doctor"]
COMMAND = [sys.executable, "-m", "pytest_containers.cli.main"]
AS_USER = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "--inh-caps=-all"]
FILTER = """
import os, sys, pyseccomp
filter = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
filter.add_rule(pyseccomp.ERRNO(int(sys.argv[1])), sys.argv[2])
filter.load()
os.execv(sys.argv[3], sys.argv[3:])
"""

root_only = pytest.mark.needs("root")


class Ran(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run(*words: str, **more: Any) -> Ran:
    """Run a command to its end in a session of its own, of which nothing may be left."""
    mounts = Path("/proc/self/mountinfo").read_text()
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **more
    ) as process:
        output, errors = process.communicate(timeout=60)
    end = time.monotonic() + 3
    while (left := left_of(process.pid)) and time.monotonic() < end:
        time.sleep(0.05)  # the kernel does not announce the end of a cgroup
    assert not left
    assert Path("/proc/self/mountinfo").read_text() == mounts
    return Ran(process.returncode, output, errors)


def left_of(pid: int) -> list[str]:
    """What is left of a doctor that was process ``pid``; other engines may be at work at the same time."""
    found = [line for line in leftovers.observe() if f"run-{pid}-" in line]
    found += [name for _, name in socket.if_nameindex() if name in {"bridge", "cable", "uplink"}]
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.getsid(int(entry.name)) == pid:
                found.append(f"process {entry.name}")
    for place in (Path("/dev/shm"), Path("/tmp"), Path("/run"), Path("/var/lib")):
        for pattern in (f"pytest-containers*/**/run-{pid}-*", f"pytest-containers*/.doctor-{pid}-*"):
            with contextlib.suppress(OSError):  # others' files come and go
                found += [str(path) for path in place.glob(pattern)]
    return found


def document(done: Ran) -> dict[str, Any]:
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["verdict"] is (done.returncode == 0)
    assert found["verdict"] is all(one["state"] != "missing" for one in found["findings"])
    for one in found["findings"]:
        if one["state"] == "limited":
            assert one["why"], one
            assert one["cost"], one
            assert one["remedy"], one
    return found


def states(found: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in found["findings"]}


def test_the_verdict_is_what_happens() -> None:
    found = document(run(*DOCTOR, "--json"))
    started = run(*COMMAND, "run", "--rm", "host", "echo", "hello")
    assert found["verdict"] is (started.stdout == "hello\n"), (found, started)


@root_only
def test_root_can_start_containers() -> None:
    found = document(run(*DOCTOR, "--json"))
    assert found["verdict"], found
    assert found["user"] == "root"
    assert "user namespace" not in states(found)


def test_text_says_the_same_and_ascii_where_it_must() -> None:
    found = document(run(*DOCTOR, "--json"))
    text = run(*DOCTOR, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert (text.returncode, text.stderr) == (0 if found["verdict"] else 1, "")
    assert found["summary"] == text.stdout.splitlines()[-1]
    plain = run(*DOCTOR, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert plain.stdout.isascii()
    assert plain.stdout.startswith("ok ")


def test_the_command_passes_words_and_exit_code_on() -> None:
    direct, passed = run(*DOCTOR, "--json"), run(*COMMAND, "doctor", "--json")
    assert passed.returncode == direct.returncode
    assert states(document(passed)) == states(document(direct))
    assert run(*COMMAND, "doctor", "--nonsense").returncode == 125


@pytest.fixture
def users_copy() -> Generator[Path]:
    """A directory that user 1000 can read, with the engine's code, libseccomp's bindings, and a home in it."""
    pyseccomp = importlib.util.find_spec("pyseccomp")
    assert pyseccomp
    assert pyseccomp.origin
    place = Path(tempfile.mkdtemp(prefix="doctor-"))
    try:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "runtime/container_runtime", place / "container_runtime", ignore=ignored)
        shutil.copy(pyseccomp.origin, place / "pyseccomp.py")
        (place / "home").mkdir()
        os.chown(place / "home", 1000, 1000)
        place.chmod(0o755)
        yield place
    finally:
        shutil.rmtree(place)


def as_user(place: Path, **environment: str) -> dict[str, Any]:
    """The doctor's document for user 1000, by the system's own Python."""
    assert shutil.which("setpriv"), "Debian's util-linux has it"
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": f"{place}/home", "LANG": "C.UTF-8"}
    variables |= {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    words = [f"{name}={value}" for name, value in variables.items()]
    python = ["/usr/bin/python3", "-m", "container_runtime", "doctor", "--json"]
    return document(run(*AS_USER, "env", "-i", *words, *python, cwd="/"))


@root_only
def test_an_ordinary_user(users_copy: Path) -> None:
    found = as_user(users_copy)
    reality = run(*AS_USER, "unshare", "-Urm", "--net", "--ipc", "--pid", "--fork", "--mount-proc", "true").returncode
    assert found["verdict"] is (reality == 0), found
    assert states(found)["user namespace"] == ("ok" if reality == 0 else "missing")
    assert "in a user namespace" in found["user"]
    assert list((users_copy / "home").iterdir()) == []


@root_only
def test_a_home_that_cannot_be_written_is_found(users_copy: Path) -> None:
    found = as_user(users_copy, HOME="/proc/nothing")
    assert not found["verdict"]
    assert states(found)["data directory"] == "missing"


@root_only
def test_a_run_directory_with_a_long_path_is_found(users_copy: Path) -> None:
    long = users_copy / "home" / ("x" * 60)
    long.mkdir()
    os.chown(long, 1000, 1000)
    found = as_user(users_copy, XDG_RUNTIME_DIR=str(long))
    assert states(found)["run directory"] == "missing"
    assert list(long.iterdir()) == []


@root_only
@pytest.mark.parametrize(("capability", "probe"), [("net_admin", "network"), ("mknod", "filesystems")])
def test_a_capability_that_is_missing_is_named(capability: str, probe: str) -> None:
    found = document(run("setpriv", f"--bounding-set=-{capability}", *DOCTOR, "--json"))
    assert states(found)[probe] == "missing"
    assert any(f"no CAP_{capability.upper()}" in one["why"] for one in found["findings"])


@root_only
@pytest.mark.parametrize(("call", "number", "said"), [("unshare", 1, "seccomp profile"), ("clone3", 38, "clone3: ")])
def test_a_profile_of_an_outer_container_is_named(call: str, number: int, said: str) -> None:
    words = [sys.executable, "-c", FILTER, str(number), call, *DOCTOR, "--json"]
    found = document(run(*words))
    assert not found["verdict"]
    assert any(said in one["why"] for one in found["findings"] if one["state"] == "missing")


@root_only
def test_masks_over_proc_are_named(users_copy: Path) -> None:
    script = "mount -t tmpfs tmpfs /proc/driver && exec " + " ".join(
        [*AS_USER, "env", f"HOME={users_copy}/home", f"PYTHONPATH={users_copy}", "PYTHONDONTWRITEBYTECODE=1",
         "/usr/bin/python3 -m container_runtime doctor --json"]
    )  # fmt: skip
    found = document(run("unshare", "--mount", "--propagation", "private", "sh", "-c", script, cwd="/"))
    proc = next(one for one in found["findings"] if one["name"] == "/proc")
    assert proc["state"] == "missing"
    assert "masked (/proc/driver" in proc["why"]
    assert "systempaths=unconfined" in proc["remedy"]
