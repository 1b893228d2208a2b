"""The engines that answer the Docker Engine API: ours, and Docker where it can be had."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from benchmarks.image import NAME
from benchmarks.measure import OURS, USER
from pytest_containers.client import Client, ClientError

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = Path(__file__).parent
NOBODY = 61184  # nobody has it: it is the first of those that systemd gives away for a time (systemd.exec(5))


class Prober:
    """A process in the engine's network that says when a port answers."""

    def __init__(self, engine_pid: int) -> None:
        enter: list[str] = []
        if os.readlink(f"/proc/{engine_pid}/ns/net") != os.readlink("/proc/self/ns/net"):  # noqa: PTH115
            enter = ["nsenter", "-t", str(engine_pid), "-n"]
        self._process = subprocess.Popen([*enter, sys.executable, "-S", str(HERE / "prober.py")],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip

    def await_port(self, host: str, port: int) -> None:
        """Return when the port accepts a connection."""
        assert self._process.stdin
        assert self._process.stdout
        print(host, port, file=self._process.stdin, flush=True)
        if self._process.stdout.readline() != "open\n":
            raise TimeoutError(f"{host}:{port} did not open within the prober's limit")

    def close(self) -> None:
        self._process.communicate()


@dataclass
class Engine:
    """A running engine with the benchmark's image in it."""

    name: str
    client: Client
    pid: int
    prober: Prober


def our_command(listener: socket.socket, lifeline: int) -> list[str]:
    """Our engine, as the plugin starts it."""
    return [sys.executable, "-P", "-m", "container_runtime", "serve",
            "--listen-fd", str(listener.fileno()), "--lifeline-fd", str(lifeline)]  # fmt: skip


class User:
    """An ordinary user without a name, and how our engine is started for it; ValueError where that cannot be."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="pytest-containers-benchmark-user-", dir="/var/tmp")
        os.chown(self._home.name, NOBODY, NOBODY)
        # setpriv itself still has root's rights when it executes a program; env has not.
        change = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]
        self.words = [*change, "env"]
        path = f"{sysconfig.get_path('purelib')}:{HERE.parent}:{HERE.parent}/runtime"
        self.environment = {"PATH": os.defpath, "HOME": self._home.name, "PYTHONPATH": path}
        for python in (sys.executable, "/usr/bin/python3"):
            command = [*self.words, python, "-P", "-c", "import container_runtime, h11"]
            if subprocess.run(command, env=self.environment, capture_output=True, check=False).returncode == 0:
                self.python = python
                return
        self.close()
        raise ValueError(f"user {NOBODY} may not read {HERE.parent}, or no Python that has h11")

    def close(self) -> None:
        """Remove the home directory, and what the engine keeps between runs."""
        self._home.cleanup()
        shutil.rmtree(f"/tmp/pytest-containers-{NOBODY}", ignore_errors=True)


@contextlib.contextmanager
def user() -> Generator[User | None]:
    """An ordinary user for the block; None, with the reason on standard error, where there can be none."""
    try:
        made = User()
    except (OSError, ValueError) as error:
        print(f"as a user: left out: {error}", file=sys.stderr)
        yield None
        return
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def spawn_ours(directory: Path, user: User | None = None) -> Generator[tuple[subprocess.Popen[bytes], str]]:
    """Start our engine on a socket that listens already; it ends with everything at the end of the block."""
    path = directory / ("user.sock" if user else "docker.sock")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        reading, writing = os.pipe()
        command = our_command(listener, reading)
        if user:
            command = [*user.words, user.python, *command[1:]]
        process = subprocess.Popen(command, pass_fds=(listener.fileno(), reading), start_new_session=True,
                                   env=user.environment if user else None)  # fmt: skip
        os.close(reading)
    try:
        yield process, f"unix://{path}"
    finally:
        os.close(writing)
        process.wait()


@contextlib.contextmanager
def ours(directory: Path, archive: Path, user: User | None = None) -> Generator[Engine]:
    """Our engine with the image."""
    name = USER if user else OURS
    with spawn_ours(directory, user) as (process, url), _prepared(name, url, process.pid, archive) as engine:
        yield engine


def listener(url: str) -> int:
    """The pid of the process that listens at a unix socket's address."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(url.removeprefix("unix://"))
        # struct ucred of unix(7): pid, uid, gid
        return struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


@contextlib.contextmanager
def docker(url: str, archive: Path) -> Generator[Engine]:
    """The Docker Engine at a unix socket."""
    pid = listener(url)
    with Client(url) as client:
        version = client.system.version().get("Version", "")
    with _prepared(f"Docker {version.partition('+')[0]}", url, pid, archive) as engine:
        yield engine


@contextlib.contextmanager
def _prepared(name: str, url: str, pid: int, archive: Path) -> Generator[Engine]:
    with Client(url) as client:
        client.images.import_(archive, NAME)
        prober = Prober(pid)
        try:
            yield Engine(name, client, pid, prober)
        finally:
            prober.close()
            with contextlib.suppress(ClientError):
                client.images.remove(NAME, force=True)


@contextlib.contextmanager
def peers_dockerd(directory: Path) -> Generator[str]:
    """Docker Engine from ``peers.sh``; gives its address once it answers."""
    path = directory / "peer-docker.sock"
    process = subprocess.Popen([HERE / "peers.sh", "dockerd", path], stderr=subprocess.PIPE, text=True,
                               start_new_session=True)  # fmt: skip
    assert process.stderr
    try:
        _await_line(process.stderr, "API listen on")
        with contextlib.ExitStack() as stack:  # its log must be read, or it blocks on a full pipe
            stack.callback(process.terminate)
            drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
            yield f"unix://{path}"
        process.wait()
        drain.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _await_line(log: IO[str], words: str) -> None:
    for line in log:
        if words in line:
            return
    raise RuntimeError("the peer's dockerd ended before it listened")


@contextlib.contextmanager
def peers_root() -> Generator[int]:
    """Give the pid of a process in the mount and pid namespaces of the peers, for nsenter."""
    process = subprocess.Popen([HERE / "peers.sh", "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        word, _, pid = process.stdout.readline().partition(" ")
        if word != "ready":
            raise RuntimeError("the peers' root filesystem could not be entered")
        yield int(pid)
    finally:
        process.communicate()
