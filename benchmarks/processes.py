"""Containers without an API: our launcher alone, bare namespaces, runc and Podman's command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.image import NAME
from benchmarks.measure import FLOOR, OURS, Work, interleave, timed
from container_runtime.engine.request.specgen import Facts, generate
from container_runtime.launcher.client import Exit, Launcher
from container_runtime.oci.defaults import DEFAULT_CAPABILITIES
from container_runtime.oci.seccomp import compile_profile, default_profile
from container_runtime.state.paths import data_home
from container_runtime.state.rundir import RunDirectory, remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

UNSHARE = ("unshare", "-mpuinf", "--mount-proc", "true")


def spawn(*command: str) -> None:
    """Run a command to its end, in the cheapest way that Python has; output is left alone."""
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status = os.waitpid(pid, 0)
    if (code := os.waitstatus_to_exitcode(status)) != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {code}")


def floor() -> float:
    """The bare namespaces, by util-linux: no root of its own, no limits, no network."""
    return timed(lambda: spawn(*UNSHARE))


class LauncherBench:
    """Our launcher on its own loop: a request is an OCI config, as the engine would send it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._run = RunDirectory.create()
        (self._run.path / "rootfs").mkdir()
        self._seccomp = compile_profile(default_profile(frozenset(DEFAULT_CAPABILITIES)), data_home() / "seccomp")
        self._launcher = self._runner.run(Launcher.start(self._run))
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

    def cycle(self) -> float:
        """Start `true` on an overlay of this machine's root, with limits, seccomp and all; wait; clean up."""
        return timed(lambda: self._runner.run(self._cycle()))

    async def _cycle(self) -> None:
        identity = uuid.uuid4().hex * 2
        layer = self._run.layers / identity
        (layer / "upper").mkdir(parents=True)
        (layer / "work").mkdir()
        options = ["lowerdir=/", f"upperdir={layer}/upper", f"workdir={layer}/work", "volatile"]
        facts = Facts(
            identity=identity,
            hostname=identity[:12],
            root_path=str(self._run.path / "rootfs"),
            cgroups_path="",
            root_mounts=[{"destination": "/", "type": "overlay", "source": "overlay", "options": options}],
        )
        limits = {"Memory": 256 << 20, "PidsLimit": 100}
        config = generate({}, {"Cmd": ["true"], "HostConfig": limits}, facts)
        ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._launcher.on_exit = lambda _identity, end: ended.set_result(end)
        await self._launcher.run(identity, dict(config), (self._null, self._null, self._null), seccomp=self._seccomp)
        end = await ended
        remove_tree(layer)
        if end.code != 0:
            raise RuntimeError(f"`true` ended with {end.code}")

    def close(self) -> None:
        """End the launcher and its run directory."""
        self._runner.run(self._launcher.close())
        self._runner.close()
        os.close(self._null)
        self._run.remove()


@contextlib.contextmanager
def runc(tree: Path) -> Generator[Callable[[], float]]:
    """The reference OCI runtime on a bundle of the benchmark's image: no overlay, no network, no engine."""
    with tempfile.TemporaryDirectory(prefix="benchmark-runc-") as name:
        bundle = Path(name)
        subprocess.run(["runc", "spec", "--bundle", name], check=True)
        config = json.loads((bundle / "config.json").read_text())
        config["process"] |= {"terminal": False, "args": ["true"]}
        config["root"]["path"] = str(tree)
        (bundle / "config.json").write_text(json.dumps(config))
        yield lambda: timed(
            lambda: spawn("runc", "--root", f"{name}/state", "run", "--bundle", name, f"benchmark-{uuid.uuid4().hex}")
        )


def podman_command(peers_pid: int | None) -> list[str] | None:
    """Podman of this machine, else that of the peers, else None."""
    # Its own defaults but for the places, so that nothing of it stays; runc, because crun wants cgroup v2.
    options = ["--root", "/tmp/benchmark-podman", "--runroot", "/run/benchmark-podman",
               "--cgroup-manager", "cgroupfs", "--runtime", "runc"]  # fmt: skip
    if shutil.which("podman"):
        return ["podman", *options]
    if peers_pid:
        return ["nsenter", "-t", str(peers_pid), "-m", "-p", "podman", *options]
    return None


@contextlib.contextmanager
def podman(peers_pid: int | None, archive: Path) -> Generator[Callable[[], float] | None]:
    """``podman run --rm --network none``: its bridges would change this machine's firewall."""
    command = podman_command(peers_pid)
    if command is None:
        yield None
        return
    os.environ.setdefault("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
    with archive.open("rb") as file:
        subprocess.run([*command, "import", "-", NAME], stdin=file, check=True, capture_output=True)
    try:
        yield lambda: timed(lambda: spawn(*command, "run", "--rm", "--network", "none", NAME, "true"))
    finally:
        subprocess.run([*command, "rmi", "--force", NAME], check=False, capture_output=True)


@contextlib.contextmanager
def podman_as_user(peers_pid: int | None, archive: Path) -> Generator[Callable[[], float] | None]:
    """The peers' Podman for their user nobody, in a directory of his own; with pasta alone would he have a network.

    pasta wants /dev/net/tun, which is often root's, so this is without one. runc, because crun wants cgroup v2.
    """
    if peers_pid is None:
        yield None
        return
    enter, home = ["nsenter", "-t", str(peers_pid), "-m", "-p"], f"/tmp/benchmark-{uuid.uuid4().hex}"
    subprocess.run([*enter, "install", "-d", "-o", "nobody", home], check=True)
    command = [*enter, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--inh-caps=-all",
               "env", "-i", f"HOME={home}", f"XDG_RUNTIME_DIR={home}", f"PATH={os.defpath}:/usr/sbin",
               "PODMAN_IGNORE_CGROUPSV1_WARNING=1", "podman", "--root", f"{home}/root", "--runroot", f"{home}/run",
               "--cgroup-manager", "cgroupfs", "--runtime", "runc", "--storage-driver", "overlay",
               "--storage-opt", "overlay.ignore_chown_errors=true", "--log-level", "error"]  # fmt: skip
    with archive.open("rb") as file:
        done = subprocess.run([*command, "import", "-", NAME], stdin=file, capture_output=True, check=False)
    if done.returncode:
        print(f"podman run as a user: left out: {done.stderr.decode().strip()}", file=sys.stderr)
        yield None
        return
    yield lambda: timed(lambda: spawn(*command, "run", "--rm", "--network", "none", NAME, "/bin/true"))


def measure(tree: Path, archive: Path, peers_pid: int | None, rounds: int) -> list[Work]:
    """The launcher beside the floor and runc; Podman's command in its own table line, it is two orders away."""
    with contextlib.ExitStack() as stack:
        bench = LauncherBench()
        stack.callback(bench.close)
        targets = {OURS: bench.cycle, FLOOR: floor}
        if shutil.which("runc"):
            targets["runc"] = stack.enter_context(runc(tree))
        works = [interleave("launcher alone", targets, rounds, warm_up=3)]
        if command := stack.enter_context(podman(peers_pid, archive)):
            works.append(interleave("podman run, no network", {"podman": command}, min(rounds, 5)))
        if command := stack.enter_context(podman_as_user(peers_pid, archive)):
            works.append(interleave("podman run as a user, no network", {"podman": command}, min(rounds, 5)))
    return works


def cgroup_directories() -> set[Path]:
    """Groups that Docker, Podman and runc make at the top of each hierarchy and leave behind."""
    roots = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()
             if line.partition(" - ")[2].startswith("cgroup")]  # fmt: skip
    return {root / name for root in roots for name in ("docker", "libpod_parent") if (root / name).is_dir()}


def remove_groups(groups: set[Path]) -> None:
    """Remove those that are empty."""
    for group in groups:
        for directory, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):  # in use by somebody else
                Path(directory).rmdir()
