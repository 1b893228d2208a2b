"""The child process of a probe: its answer, its errors, its end in any case."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from container_runtime.doctor.attempt import attempt

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # os.fork in a test run


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_value_and_errors_come_through() -> None:
    before = children()
    assert attempt(lambda: {"a": [1, "ö"]}) == ({"a": [1, "ö"]}, None)
    assert attempt(lambda: "x" * 100_000).value == "x" * 100_000
    refused = attempt(lambda: os.close(-1)).failure
    assert refused
    assert refused.errno == errno.EBADF
    assert attempt(lambda: 1 // 0).failure
    assert attempt(object).failure  # not for JSON
    assert children() == before


def test_a_signal_is_named() -> None:
    failure = attempt(lambda: os.kill(os.getpid(), signal.SIGSYS)).failure
    assert failure
    assert failure.message == "the process was killed by SIGSYS"


# In a process of its own: it becomes the parent of what its children leave.
_SLOW = """
import os, time
from container_runtime.doctor.attempt import adopt_orphans, attempt

def slow():
    for _ in range(2):
        if os.fork() == 0:
            time.sleep(60)
    time.sleep(60)

adopt_orphans()
print(attempt(slow, 0.2).failure.message)
try:
    os.waitpid(-1, os.WNOHANG)
    print("a child is left")
except ChildProcessError:
    print("none left")
"""


def test_what_takes_too_long_is_killed_with_its_children() -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", _SLOW], capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines() == ["it took longer than 0.2 seconds", "none left"], done.stderr
    assert time.monotonic() - began < 10
