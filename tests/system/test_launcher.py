"""The launcher on the real kernel, spoken to as the engine speaks to it, without engine, images and network."""

import asyncio
import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from container_runtime.errors import NotFound, StartError
from container_runtime.launcher.client import Launcher
from container_runtime.state.rundir import RunDirectory

pytestmark = [
    pytest.mark.vm,
]

CAPABILITIES = ["CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_MKNOD"]
HANG = 20  # seconds; a hang limit, not a measurement


def config(run, identity, args, **changes):
    layer = run.layers / identity
    for name in ("upper", "work"):
        (layer / name).mkdir(parents=True)
    root = run.path / "rootfs"
    root.mkdir(exist_ok=True)
    tmpfs = {"type": "tmpfs", "source": "tmpfs"}
    document = {
        "process": {
            "args": args,
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "capabilities": {"bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES},
        },
        "root": {"path": str(root)},
        "hostname": identity,
        "mounts": [
            {
                "destination": "/",
                "type": "overlay",
                "options": ["lowerdir=/", f"upperdir={layer}/upper", f"workdir={layer}/work"],
            },
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", **tmpfs, "options": ["nosuid", "mode=755"]},
            {"destination": "/tmp", **tmpfs, "options": ["nosuid", "mode=1777"]},
        ],
        "linux": {
            "namespaces": [{"type": name} for name in ("pid", "network", "mount", "ipc", "uts", "cgroup")],
            "resources": {"pids": {"limit": 100}},
        },
    }
    document["linux"].update(changes.pop("linux", {}))
    document["process"].update(changes.pop("process", {}))
    return document | changes


class Bench:
    """A launcher, and the ends of what it started."""

    def __init__(self, run, launcher):
        self.run, self.launcher, self.ends = run, launcher, {}
        launcher.on_exit = lambda identity, end: self.ends[identity].set_result(end)

    async def start(self, identity, args, **changes):
        """The pid and a function that awaits (exit, output)."""
        read, write = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        self.ends[identity] = asyncio.get_running_loop().create_future()
        try:
            started = await self.launcher.run(
                identity, config(self.run, identity, args, **changes), (null, write, write)
            )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
            os.close(null)

        async def end():
            result = await asyncio.wait_for(self.ends[identity], HANG)
            with os.fdopen(read, "rb") as file:
                return result, file.read().decode()

        end.first_line = lambda: asyncio.to_thread(os.read, read, 100)
        return started.pid, end

    async def call(self, identity, *args, **changes):
        _, end = await self.start(identity, list(args), **changes)
        return await end()


@asynccontextmanager
async def bench(tmp_path):
    run = RunDirectory(tmp_path / f"pc-{os.getpid()}")
    launcher = await Launcher.start(run)
    try:
        yield Bench(run, launcher)
    finally:
        await asyncio.wait_for(launcher.close(), HANG)
        run.remove()


def with_bench(tmp_path, work):
    async def main():
        async with bench(tmp_path) as table:
            return await asyncio.wait_for(work(table), HANG)

    return asyncio.run(main())


def test_output_and_exit_code(tmp_path):
    async def work(table):
        return await table.call("one", "sh", "-c", "hostname; echo $$; exit 7")

    end, output = with_bench(tmp_path, work)
    assert (end.code, end.signal, end.oom_killed) == (7, 0, False)
    assert output == "one\n1\n"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["no-such-program"], 127, "executable file not found in"),
        (["/no/such/file"], 127, "no such file or directory"),
        (["/etc/passwd"], 126, "permission denied"),
        (["/etc"], 126, "permission denied"),
        (["/" + "x" * 100_000], 126, "file name too long"),  # more than a pipe holds
    ],
)
def test_a_program_that_cannot_run(tmp_path, args, code, words):
    async def work(table):
        with pytest.raises(StartError, match=words) as caught:
            await table.call("bad", *args)
        return caught.value.exit_code

    assert with_bench(tmp_path, work) == code


def test_a_step_that_fails_is_named(tmp_path):
    broken = {"mounts": [{"destination": "/", "type": "overlay", "options": ["lowerdir=/no/such/layer:/"]}]}

    async def work(table):
        with pytest.raises(StartError, match=r"mount_root .*No such file or directory"):
            await table.call("bad", "true", **broken)

    with_bench(tmp_path, work)


def test_a_link_in_the_image_leads_no_mount_outside(tmp_path):
    """An image whose /dev is a link to the machine's: the mount stays below the container's root."""
    layer = tmp_path / "layer"
    layer.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (layer / "mnt").symlink_to(outside)
    shutil.copy("/bin/busybox", layer / "busybox")
    run_layer = tmp_path / "upper", tmp_path / "work"
    for path in run_layer:
        path.mkdir()
    options = [f"lowerdir={layer}", f"upperdir={run_layer[0]}", f"workdir={run_layer[1]}"]
    mounts = [
        {"destination": "/", "type": "overlay", "options": options},
        {"destination": "/mnt/below", "type": "tmpfs", "source": "tmpfs"},
    ]

    async def work(table):
        return await table.call("link", "/busybox", "ls", "/mnt/", process={"env": []}, mounts=mounts)

    end, output = with_bench(tmp_path, work)
    assert (end.code, output) == (0, "below\n")
    assert list(outside.iterdir()) == []


def test_the_end_of_the_launcher_is_the_end_of_all(tmp_path):
    async def work(table):
        pids = [
            (await table.start(f"c{number}", ["sh", "-c", "setsid sleep 100 & trap '' TERM HUP; sleep 100"]))[0]
            for number in range(3)
        ]
        died = asyncio.get_running_loop().create_future()
        table.launcher.on_death = lambda: died.set_result(None)
        descriptors = [os.pidfd_open(pid) for pid in pids]
        launcher_pid = int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(launcher_pid, 9)
        await died
        return [Path(f"/proc/{pid}").exists() for pid in pids], [os.close(descriptor) for descriptor in descriptors]

    alive, _ = with_bench(tmp_path, work)
    assert alive == [False, False, False]


def test_exec_joins_and_signals_arrive(tmp_path):
    async def work(table):
        _, end = await table.start(
            "box", ["sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done"]
        )
        assert await end.first_line() == b"up\n"  # from now on the trap is set
        read, write = os.pipe()
        table.ends["x"] = asyncio.get_running_loop().create_future()
        process = {"args": ["sh", "-c", "hostname; ls /proc | grep -c '^[0-9]'"], "env": ["PATH=/usr/bin:/bin"]}
        await table.launcher.execute("box", "x", process, (write, write, write))
        os.close(write)
        with os.fdopen(read) as file:
            seen = file.read().split()
        await table.launcher.kill("box", 15)
        result, output = await end()
        with pytest.raises(NotFound):
            await table.launcher.kill("box", 15)
        return seen, result.code, output, (await table.ends["x"]).code

    seen, code, output, exec_code = with_bench(tmp_path, work)
    assert seen[0] == "box"
    assert int(seen[1]) <= 6
    assert (code, exec_code) == (3, 0)
    assert output == "bye\n"


def test_out_of_memory_is_recognised(tmp_path):
    hungry = "x = bytearray(200 << 20)"

    async def work(table):
        return await table.call(
            "big",
            "/usr/bin/python3",
            "-c",
            hungry,
            linux={"resources": {"memory": {"limit": 64 << 20, "swap": 64 << 20}}},
        )

    end, _ = with_bench(tmp_path, work)
    assert (end.code, end.signal, end.oom_killed) == (137, 9, True)


def test_a_device_that_is_not_allowed(tmp_path):
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "access": "m"},
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
    ]
    script = "echo x >/dev/null && echo null; mknod /dev/kmsg2 c 1 11; cat /dev/kmsg2 2>&1 | head -1"

    async def work(table):
        return await table.call("dev", "sh", "-c", script, linux={"resources": {"devices": rules}})

    _, output = with_bench(tmp_path, work)
    assert output.startswith("null\n")
    assert "not permitted" in output
