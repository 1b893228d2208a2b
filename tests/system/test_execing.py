"""Execs by lists of system calls: their programs see no difference to a fork, and nobody waits for one that waits."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from container_runtime.cgroups import freezer
from container_runtime.errors import StartError
from container_runtime.kernel import vfork
from container_runtime.launcher import spawn
from container_runtime.oci.defaults import DEFAULT_CAPABILITIES
from container_runtime.oci.seccomp import compile_profile, default_profile
from tests import waiting
from tests.system.test_launcher import CAPABILITIES, HANG, bench

FORKED = "import container_runtime.kernel.vfork as v; v.available = lambda: False; "
_TAKING = (
    "import container_runtime.launcher.starter as s; take = s.Starter.take; s.Starter.take = lambda self, *order: "
)
PREPARED = f"{_TAKING} self.prepare() or take(self, *order); "
ORDERED = f"{_TAKING} self.prepare() or take(self, *order) or exit(1); "  # one that is not taken ends the launcher
LOOK = """
grep -E '^(Umask|Uid|Gid|Groups|NSpid|NSpgid|NSsid|Sig|Cap|NoNew|Seccomp)' /proc/self/status | grep -v SigQ
cat /proc/self/limits /proc/self/cgroup
pwd; hostname; env; ls -l /proc/self/fd | wc -l; stat -Lc %u /proc/self/fd/1
for name in mnt net uts ipc pid cgroup; do [ /proc/self/ns/$name -ef /proc/1/ns/$name ] && echo same $name; done
true
"""
ENVIRONMENT = ["PATH=/no:/usr/sbin:/usr/bin:/sbin:/bin", "A=b c", "odd"]
PROCESSES = {
    "plain": {},
    "a user": {"user": {"uid": 1234, "gid": 5, "additionalGids": [6, 7]}, "cwd": "/tmp"},
    "rights": {"capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES)},
    "all at once": {
        "user": {"uid": 33, "gid": 33, "additionalGids": [33], "umask": 0o77},
        "capabilities": {"bounding": list(DEFAULT_CAPABILITIES[:3]), "effective": [], "permitted": []},
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "soft": 40, "hard": 50},
            {"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1},
        ],
        "noNewPrivileges": True,
    },
}


async def execute(table, identity, process, seccomp, container="box"):
    """The end and the output of an exec."""
    read, write = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    table.ends[identity] = asyncio.get_running_loop().create_future()
    try:
        await table.launcher.execute(container, identity, process, (null, write, write), seccomp)
    except StartError as error:
        os.close(read)
        return error.exit_code, str(error)
    finally:
        os.close(write)
        os.close(null)
    with os.fdopen(read, "rb") as file:
        output = await asyncio.to_thread(file.read)
    end = await asyncio.wait_for(table.ends[identity], HANG)
    return end.code, output.decode()


def execs(tmp_path, processes, seccomp=""):
    """What comes of each process, in a container of its own launcher."""

    async def main():
        async with bench(tmp_path) as table:
            await table.start("box", ["sleep", "1000"])
            return [await execute(table, f"x{number}", process, seccomp) for number, process in enumerate(processes)]

    return asyncio.run(main())


def both(tmp_path, monkeypatch, *processes, seccomp=""):
    """Made by calls, and by forks."""
    assert vfork.available()
    (tmp_path / "calls").mkdir()
    (tmp_path / "forks").mkdir()
    boot = spawn._BOOT
    monkeypatch.setattr(spawn, "_BOOT", boot.replace("from ", ORDERED + "from ", 1))
    by_calls = execs(tmp_path / "calls", processes, seccomp)
    monkeypatch.setattr(spawn, "_BOOT", boot.replace("from ", FORKED + "from ", 1))
    return by_calls, execs(tmp_path / "forks", processes, seccomp)


@pytest.mark.parametrize("filtered", [False, True])
def test_the_programs_see_the_same(tmp_path, monkeypatch, filtered):
    seccomp = compile_profile(default_profile(frozenset()), tmp_path) if filtered else ""
    looks = [{"args": ["sh", "-c", LOOK], "env": ENVIRONMENT, **process} for process in PROCESSES.values()]
    by_calls, by_forks = both(tmp_path, monkeypatch, *looks, seccomp=seccomp)
    assert by_calls == by_forks
    assert [code for code, _ in by_calls] == [0] * len(PROCESSES)
    # Who has the rights of the container's first process may look.
    assert "same mnt\nsame net\nsame uts\nsame ipc\nsame pid\nsame cgroup\n" in by_calls[2][1]
    assert all(("Seccomp:\t2" in text) is filtered for _, text in by_calls)


def test_the_same_refusals(tmp_path, monkeypatch):
    by_calls, by_forks = both(
        tmp_path,
        monkeypatch,
        {"args": ["no-such-program"], "env": ENVIRONMENT},
        {"args": ["/etc/passwd"]},
        {"args": ["/etc"], "cwd": "/"},
        {"args": ["true"], "cwd": "/no/such/place"},
        {"args": ["x" * 300], "env": ENVIRONMENT},
        {"args": ["true"], "user": {"uid": 1}, "cwd": "/root"},
    )
    assert by_calls == by_forks
    assert [code for code, _ in by_calls][:5] == [127, 126, 126, 126, 126]


def test_streams_that_belong_to_others_become_the_users(tmp_path):
    """Of a socket, which fchown(2) is for too."""
    ours, theirs = socket.socketpair()

    async def main():
        async with bench(tmp_path) as table:
            await table.start("box", ["sleep", "1000"])
            table.ends["x"] = asyncio.get_running_loop().create_future()
            number = theirs.fileno()
            process = {"args": ["stat", "-Lc", "%u", "/proc/self/fd/1"], "env": ENVIRONMENT, "user": {"uid": 77}}
            await table.launcher.execute("box", "x", process, (number, number, number))
            theirs.close()
            return await asyncio.wait_for(table.ends["x"], HANG)

    with ours:
        assert asyncio.run(main()).code == 0
        assert ours.recv(100) == b"77\n"


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def namespace(pid, name):
    return Path(f"/proc/{pid}/ns/{name}").stat().st_ino


def children(parent):
    """Those that have not ended."""
    pids = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return [pid for pid in pids if Path(f"/proc/{pid}/ns/mnt").exists()]


def starter_of(launcher):
    """The process that starts execs: the one child of the launcher that is in no namespace of its own."""

    def places(pid):
        return [namespace(pid, name) for name in ("mnt", "pid")]

    (found,) = [one for one in children(launcher) if places(one) == places(launcher)]
    return found


async def stuck(table, container):
    """An exec whose child gets no further: its container is frozen, which the engine would have refused."""
    file = await table.launcher.freeze("box", frozen=True)
    await asyncio.to_thread(freezer.await_frozen, file, HANG)
    begun = asyncio.create_task(execute(table, "stuck", TRUE, ""))

    def there():
        siblings = children(parent_of(container))
        return any(one != container and namespace(one, "pid") == namespace(container, "pid") for one in siblings)

    await asyncio.to_thread(waiting.until, there)  # nobody is told of a fork
    return begun


TRUE = {"args": ["true"], "env": ENVIRONMENT}


def test_where_an_exec_gets_no_further_others_do(tmp_path, monkeypatch):
    monkeypatch.setattr(spawn, "_BOOT", spawn._BOOT.replace("from ", PREPARED + "from ", 1))

    async def main():
        async with bench(tmp_path) as table:
            box, _ = await table.start("box", ["sleep", "1000"])
            await table.start("other", ["sleep", "1000"])
            begun = await stuck(table, box)
            others = [await execute(table, f"x{number}", TRUE, "", "other") for number in range(3)]
            await table.call("third", "true")
            done = begun.done()
            await table.launcher.freeze("box", frozen=False)
            return others, done, await asyncio.wait_for(begun, HANG)

    assert asyncio.run(main()) == ([(0, "")] * 3, False, (0, ""))


def test_the_end_of_who_starts_execs_is_an_error_of_one_and_another_takes_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(spawn, "_BOOT", spawn._BOOT.replace("from ", PREPARED + "from ", 1))

    async def main():
        async with bench(tmp_path) as table:
            pid, _ = await table.start("box", ["sleep", "1000"])
            launcher = parent_of(pid)
            begun = await stuck(table, pid)
            first = starter_of(launcher)
            os.kill(first, signal.SIGKILL)  # as for a limit of memory
            failed = await asyncio.wait_for(begun, HANG)
            await table.launcher.freeze("box", frozen=False)
            return failed, await execute(table, "x", TRUE, ""), starter_of(launcher) != first

    (code, words), after, another = asyncio.run(main())
    assert code == 128
    assert "memory limit" in words
    assert after == (0, "")
    assert another
