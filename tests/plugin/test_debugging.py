"""Looking around while a test waits: shells of containers (``--containers-debug``) and pdb, in a real terminal."""

from __future__ import annotations

import select
import shutil
import tarfile
from typing import TYPE_CHECKING

import pexpect
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Terminal = Callable[..., pexpect.spawn[str]]
    Run = Callable[..., pytest.RunResult]

LEFT = "the run goes on"


def typed(child: pexpect.spawn[str], command: str, answer: str) -> None:
    """Type a command at a shell's prompt, and await its answer."""
    child.expect(r"[#$] ")
    child.sendline(command)
    child.expect(answer)


def test_shells_of_a_failing_test(terminal: Terminal) -> None:
    child = terminal(
        """
            import pytest
            from pytest_containers import container, wait
            one = container("host", ["sh", "-c", "echo in one >/tmp/mark; exec sleep 1000"])
            two = container("host", "sleep 1000")
            done = container("host", ["sh", "-c", "exit 3"])
            never = container("host", "sleep 1000", wait=wait.log("never"), timeout=0.2)
            def test_good(one): pass
            def test_bad(done, one, two): assert "reason" == ""
            @pytest.mark.skip
            def test_skipped(one): pass
            def test_never(never): pass
        """,
        "--containers-debug",
        "--containers-lookahead=off",
    )
    child.expect(r"AssertionError[\s\S]*1  done \(host\): exited with code 3\s+2  one \(host\): running\s+3  two ")
    child.expect(r"go on \[one \(host\)\] ")
    child.sendline("done")
    child.expect("so there is no shell to open")
    child.sendline("4")
    child.expect("there is no '4'")
    child.sendline("")
    typed(child, "cat /tmp/mark; stty size", r"in one\s+30 100")
    child.setwinsize(20, 70)
    typed(child, "until stty size | grep '20 70'; do :; done", r"20 70\r")
    typed(child, "exit 7", r"go on \[go on\] ")
    child.sendline("3")
    typed(child, "exit", r"go on \[go on\] ")
    child.sendline("")
    child.expect(LEFT)
    child.expect("never .* is not ready after 0.2 s")
    typed(child, "exit", LEFT)
    child.expect(r"1 failed, 1 passed, 1 skipped, 1 error")
    child.expect(pexpect.EOF)


def test_shell_of_the_machine_where_the_image_has_none_and_then_pdb(
    terminal: Terminal, pytester: pytest.Pytester
) -> None:
    with tarfile.open(pytester.path / "bare.tar", "w") as archive:
        archive.add(shutil.which("busybox") or "", "opt/busybox")
    child = terminal(
        """
            from pytest_containers import container, image, wait
            bare = image(archive="bare.tar")
            box = container(bare, ["/opt/busybox", "httpd", "-f", "-p", "81"], wait=wait.port(81))
            def test_it(box):
                value = 41
                assert value == 0
        """,
        "--containers-debug",
        "--pdb",
    )
    child.expect("the image of box .* has no shell: this one is the machine's")
    typed(child, "ls opt; cat /proc/1/cmdline | tr '\\0' ' '", r"busybox\s+/opt/busybox httpd -f -p 81")
    typed(child, "exit", LEFT)
    child.expect(r"\(Pdb\) ")
    child.sendline("p value + 1")
    child.expect("42")
    child.sendline("q")
    child.expect("Quitting debugger")
    child.expect(pexpect.EOF)


def test_engine_that_cannot_lend_a_shell(terminal: Terminal, pytester: pytest.Pytester) -> None:
    with tarfile.open(pytester.path / "bare.tar", "w") as archive:
        archive.add(shutil.which("busybox") or "", "opt/busybox")
    child = terminal(
        """
            import pytest_containers.debug
            from pytest_containers import container, image
            pytest_containers.debug.HOST = "no/such:1"  # as on Docker
            bare = image(archive="bare.tar")
            box = container(bare, ["/opt/busybox", "sleep", "1000"])
            def test_it(box): assert False
        """,
        "--containers-debug",
    )
    child.expect(r"box .* has no shell, and this engine cannot lend one; in another terminal, with")
    child.expect(r"docker -H unix:\S+ run -it --rm --pid container:\w+ --network container:\w+ --cap-add SYS_PTRACE")
    child.sendline("")
    child.expect(LEFT)
    child.expect(pexpect.EOF)


def test_shells_need_a_terminal_and_no_workers(run: Run) -> None:
    result = run("--containers-debug", test_it="def test_it(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("ERROR: --containers-debug needs a terminal, and standard input is none")
    result = run("--containers-debug", "-n", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("ERROR: --containers-debug is incompatible with distributing tests; try using -n0")


def test_time_limits_rest_while_pdb_is_open(terminal: Terminal) -> None:
    child = terminal(
        """
            from pytest_containers import container, wait
            asked = []
            def look(box):
                asked.append(1)
                if len(asked) == 1:
                    breakpoint()
                return len(asked) > 2
            box = container("host", "sleep 1000", wait=wait.callable(look), timeout=1)
            def test_it(box): pass
        """
    )
    child.expect(r"\(Pdb\) ")
    select.select([], [], [], 1.1)
    child.sendline("c")
    child.expect("1 passed")
    child.expect(pexpect.EOF)


def test_pdb_of_a_test_in_a_container(terminal: Terminal) -> None:
    child = terminal(
        """
            import pytest
            pytestmark = pytest.mark.in_container(timeout=1)
            def test_bad():
                value = 41
                print("captured before")
                assert value == 0
            def test_good():
                value = 1
                breakpoint()
                assert value == 2
        """,
        "--pdb",
    )
    child.expect("captured before")
    child.expect(r"PDB post_mortem [\s\S]*\(Pdb\) ")
    select.select([], [], [], 1.1)
    child.sendline("p value + 1")
    child.expect("42")
    child.sendline("c")
    child.expect(r"PDB set_trace [\s\S]*\(Pdb\) ")
    child.sendline("value = 2")
    child.sendline("c")
    child.expect("1 failed, 1 passed")
    child.expect(pexpect.EOF)
