"""The tests marked ``vm`` once more, on a machine with pure cgroup v2, which is what most users have: as both users."""

import platform
import shutil
import sys
from pathlib import Path

import pytest

from tests import vm

INSIDE = Path("/sbin/second").exists()

EDGES = "tests/system/test_network_edges.py"
NOT_THERE = {
    f"{EDGES}::test_the_ruleset_is_what_its_module_says": "there is no module nft_tproxy, so that its rules are fewer",
    f"{EDGES}::test_a_reset_connection_does_not_harm_the_next": "its six interpreters take ten seconds there",
    "tests/leaks/test_kill.py::test_kill_of_the_launcher": "the ordinary user's run has it",
}
CHECKOUT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(INSIDE, reason="this is the machine"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the machine is an x86-64 one"),
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is missing"),
]


def test_marked_tests_pass_on_pure_cgroup_v2() -> None:
    # The others want packages that are not in the machine.
    files = [*CHECKOUT.glob("tests/system/test_*.py"), *CHECKOUT.glob("tests/leaks/test_*.py")]
    marked = [str(path.relative_to(CHECKOUT)) for path in sorted(files) if "mark.vm" in path.read_text()]
    assert len(marked) > 3
    done = vm.run_pytest("-m", "vm", *(f"--deselect={name}" for name in NOT_THERE), *marked, timeout=550)
    print(done.output)
    assert done.status == 0, f"{done.output}\n{done.console}"
    assert " passed" in done.output
    assert " skipped" not in done.output


# Groups as systemd lays them out for `systemd-run --user --scope -p Delegate=yes`: user@.service and three of its files
# are the user's (src/shared/cgroup-setup.c, cg_set_access), what is below is made by the user's own service manager,
# and our processes are in a scope. The second time without cpu, as before version 252.
AS_USER = """
set -e
mkdir /home/user
chown 1000:1000 /home/user
chmod a+rx {parents}
cd {checkout}
top=/sys/fs/cgroup/user.slice/user-1000.slice service=$top/user@1000.service
mkdir -p $service
given="+cpu +memory +pids"
for group in /sys/fs/cgroup /sys/fs/cgroup/user.slice $top; do echo "$given" >$group/cgroup.subtree_control; done
for name in . cgroup.procs cgroup.subtree_control cgroup.threads; do chown 1000:1000 $service/$name; done
as="/usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all env -i HOME=/home/user PATH=$PATH
  PYTHONPATH={checkout}:{checkout}/runtime"
delegate() {{
  $as sh -ec "mkdir $service/init.scope $service/app.slice $service/app.slice/run-u1.scope
    echo '$1' >$service/cgroup.subtree_control; echo '$1' >$service/app.slice/cgroup.subtree_control"
  echo $$ >$service/app.slice/run-u1.scope/cgroup.procs
}}
delegate "$given"
$as {python} -m pytest -p no:cacheprovider -m vm tests/system/test_limits.py tests/leaks
echo $$ >/sys/fs/cgroup/cgroup.procs
for group in app.slice/run-u1.scope app.slice init.scope; do rmdir $service/$group; done
echo -cpu >$service/cgroup.subtree_control
echo -cpu >$top/cgroup.subtree_control
delegate "+memory +pids"
$as {python} -m container_runtime doctor | grep -A3 limits
$as {python} -m pytest -p no:cacheprovider -m vm tests/system/test_limits.py -k more_memory
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
