"""The tests marked ``vm`` once more, on a machine with pure cgroup v2, which is what most users have."""

import platform
import shutil
from pathlib import Path

import pytest

from tests import vm

INSIDE = Path("/sbin/second").exists()


@pytest.mark.skipif(INSIDE, reason="this is the machine")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the machine is an x86-64 one")
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is missing")
def test_marked_tests_pass_on_pure_cgroup_v2() -> None:
    done = vm.run_pytest("-m", "vm", "tests/system", "tests/leaks", timeout=550)
    print(done.output)
    assert done.status == 0, f"{done.output}\n{done.console}"
    assert " passed" in done.output
    assert " skipped" not in done.output
