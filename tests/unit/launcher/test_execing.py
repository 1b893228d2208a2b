"""The steps of an exec as system calls: which ones there are, and when there are none."""

import errno
import os

import pytest

from container_runtime.kernel import syscalls, vfork
from container_runtime.launcher import execing, operations
from container_runtime.launcher.entry import Execution

PROCESS = {"args": ["sh", "-c", "exit 4"], "env": ["PATH=/no/such/place:/usr/bin:/bin"], "cwd": "/"}


def said(process):
    return execing.can_be_said(operations.compile_exec(process, seccomp=False))


def compiled(process):
    own = (syscalls.pidfd_open(os.getpid()), 0)
    steps = operations.compile_exec(process, seccomp=False)
    try:
        return execing.compile_calls(
            stdio=(0, 1, 2), task_files=[], namespaces=own, steps=steps, seccomp=b"", execution=Execution(process)
        )
    finally:
        os.close(own[0])


on_x86 = pytest.mark.skipif(not vfork.available(), reason=f"processes are forked on {syscalls.MACHINE}")


@on_x86
@pytest.mark.parametrize("changes", [{}, {"user": {"uid": 5, "gid": 6}}, {"rlimits": []}, {"noNewPrivileges": True}])
def test_there_are_calls_for_a_usual_exec(changes):
    assert said({**PROCESS, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"terminal": True},
        {"capabilities": {"effective": ["CAP_KILL"], "permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"]}},
    ],
)
def test_a_fork_where_a_step_depends_on_what_the_one_before_found(changes):
    assert not said({**PROCESS, **changes})


def test_a_fork_where_rights_are_missing(monkeypatch):
    monkeypatch.setattr(syscalls, "bounding_set", lambda: 0)
    monkeypatch.setattr(execing, "_own", [])
    assert not said({**PROCESS, "capabilities": {"permitted": ["CAP_KILL"]}})


def test_a_fork_where_the_machine_has_no_such_calls(monkeypatch):
    monkeypatch.setattr(vfork, "available", lambda: False)
    assert not said(PROCESS)


@on_x86
def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(execing, "_kept", {})
    for number in range(200):
        compiled({**PROCESS, "cwd": f"/{number}"})
    assert len(execing._kept) <= 64


def searched(name, path):
    """The exit status of a child that does nothing but look for a program, and what a report says."""
    execution = Execution({"args": [name, "-c", "exit 4"], "env": [f"PATH={path}"]})
    calls = vfork.Calls()
    execing.add_search(calls, execution)
    pid, pidfd = calls.run(None)
    os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), execing.error_of(calls, execution)


@on_x86
@pytest.mark.parametrize("path", ["/usr/bin", "/no:/usr/bin", "/no:/usr/bin:/no", "/no:/no:/usr/bin:/no:/neither"])
def test_a_program_is_found_wherever_it_is(path):
    assert searched("sh", path) == (4, b"")


@on_x86
@pytest.mark.parametrize("path", ["/no", "/no:/neither", "/no:/neither:/no"])
def test_what_a_report_says_of_a_program_that_is_not_there(path):
    assert searched("x", path) == (127, b"exec\0x\0" + str(errno.ENOENT).encode())
