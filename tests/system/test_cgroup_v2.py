"""The tests marked ``vm`` once more, on a machine with pure cgroup v2, which is what most users have: as both users."""

import platform
import shutil
import sys
from pathlib import Path

import pytest

from tests import vm

INSIDE = Path("/sbin/second").exists()

pytestmark = [
    pytest.mark.skipif(INSIDE, reason="this is the machine"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the machine is an x86-64 one"),
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is missing"),
]


def test_marked_tests_pass_on_pure_cgroup_v2() -> None:
    done = vm.run_pytest("-m", "vm", "tests/system", "tests/leaks", timeout=550)
    print(done.output)
    assert done.status == 0, f"{done.output}\n{done.console}"
    assert " passed" in done.output
    assert " skipped" not in done.output


# A group and its files belong to the user, as systemd delegates them (cgroups(7), "Delegation containment").
AS_USER = """
set -e
mkdir -p /sys/fs/cgroup/user.slice/tests /home/user
chown -R 1000:1000 /home/user /sys/fs/cgroup/user.slice
chmod a+rx {parents}
echo $$ >/sys/fs/cgroup/user.slice/tests/cgroup.procs
cd {checkout}
as="/usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all env -i HOME=/home/user PATH=$PATH"
$as {python} -m pytest -p no:cacheprovider -m vm tests/system/test_limits.py tests/system/test_isolation.py tests/leaks
echo 0 >/proc/sys/user/max_user_namespaces
$as {python} -m container_runtime doctor && exit 9
$as {python} -m pytest -p no:cacheprovider examples/quickstart && exit 9
exit 0
"""


def test_an_ordinary_user_with_a_delegated_group_and_then_without_user_namespaces() -> None:
    parents = {str(parent) for place in (sys.prefix, sys.base_prefix, vm.CHECKOUT) for parent in Path(place).parents}
    script = AS_USER.format(checkout=vm.CHECKOUT, python=sys.executable, parents=" ".join(sorted(parents)))
    done = vm.run(script.splitlines(), timeout=550)
    print(done.output)
    assert done.status == 0, f"{done.output}\n{done.console}"
    tests, _, doctor = done.output.partition("No container can be started here")
    assert " passed" in tests
    assert " failed" not in tests
    assert " skipped" not in tests
    assert "max_user_namespaces" in tests
    assert "sysctl -w user.max_user_namespaces" in tests + doctor
    assert "pytest-containers doctor" in doctor
