"""Children that make system calls from a list: what came of the calls, and that nothing else did."""

import errno
import os
import signal
from pathlib import Path

import pytest

from container_runtime.kernel import syscalls, vfork

pytestmark = pytest.mark.skipif(
    not vfork.available(), reason=f"processes are forked where the machine is {syscalls.MACHINE}"
)

SHELL = "/bin/sh"


def program(*words):
    return syscalls.Program([os.fsencode(word) for word in words], [b"PATH=/usr/bin:/bin"])


def execute(calls, *words, path=SHELL, **options):
    argv, environ = program(*words).vectors
    calls.add("execve", os.fsencode(path), argv, environ, step="exec", path=path, **options)


def status(calls):
    """How the child ended, as os.waitstatus_to_exitcode has it."""
    pid, pidfd = calls.run(None)
    os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_program_takes_the_place_of_the_calls():
    calls = vfork.Calls()
    execute(calls, "sh", "-c", "exit 3")
    assert status(calls) == 3
    assert calls.failure() is None
    assert calls.begun("exec")


def test_what_calls_do_is_done_to_the_child_alone(tmp_path):
    mask, directory = os.umask(0o22), Path.cwd()
    os.umask(mask)
    read, write = os.pipe()
    calls = vfork.Calls()
    calls.add("dup2", write, 1)
    calls.add("umask", 0o77)
    calls.add("chdir", os.fsencode(tmp_path))
    calls.add("prlimit64", 0, 7, (50).to_bytes(8, "little") * 2, 0)  # RLIMIT_NOFILE
    execute(calls, "sh", "-c", "umask; pwd; ulimit -n")
    assert status(calls) == 0
    os.close(write)
    with os.fdopen(read) as file:
        assert file.read().split() == ["0077", str(tmp_path), "50"]
    assert (os.umask(mask), Path.cwd()) == (mask, directory)


def test_the_first_call_that_fails_ends_it_and_is_named():
    calls = vfork.Calls()
    calls.add("setsid")
    calls.add("chdir", b"/no/such/place", step="directory", path="/no/such/place")
    execute(calls, "sh", "-c", "exit 0")
    assert status(calls) == 127
    assert calls.failure() == ("directory", "/no/such/place", errno.ENOENT)


def test_errors_that_do_not_matter(tmp_path):
    calls = vfork.Calls()
    calls.add("chdir", b"/no/such/place", ignoring=(errno.ENOENT,))
    calls.add("keyctl", 1 << 20, ignoring=(errno.EOPNOTSUPP, errno.ENOSYS))  # of 95: above the bits of a word
    for place in ("/no/sh", f"{tmp_path}", SHELL):
        execute(calls, "sh", "-c", "exit 5", path=place, ignoring=(errno.ENOENT, errno.EACCES))
    assert status(calls) == 5
    assert calls.failure() is None
    assert calls.refused("exec") == [("/no/sh", errno.ENOENT), (f"{tmp_path}", errno.EACCES)]


def test_signals_are_as_they_are_by_default():
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        calls = vfork.Calls()
        execute(calls, "sh", "-c", "kill -USR1 $$")
        assert status(calls) == -signal.SIGUSR1
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_parent_is_as_it_was():
    held = sorted(one.name for one in Path("/proc/self/fd").iterdir())
    calls = vfork.Calls()
    execute(calls, "sh", path="/no/such/program")
    assert status(calls) == 127
    assert sorted(one.name for one in Path("/proc/self/fd").iterdir()) == held


def test_a_child_that_cannot_be_made_is_an_error():
    calls = vfork.Calls()
    with Path(os.devnull).open() as file, pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        calls.run(file.fileno())  # no cgroup


def test_elsewhere_it_is_said_not_to_be_there(monkeypatch):
    monkeypatch.setattr(syscalls, "MACHINE", "aarch64")
    monkeypatch.setattr(vfork, "_loaded", [])
    assert not vfork.available()
