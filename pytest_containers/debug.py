"""``--containers-debug``: a failing test opens a shell in one of its containers, before anything is torn down."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_containers.client.errors import ClientError, NotFoundError
from pytest_containers.engine import RUN_LABEL
from pytest_containers.errors import ContainerError
from pytest_containers.reports.failure import in_use
from pytest_containers.session import existing_engine
from pytest_containers.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_containers.client import Client
    from pytest_containers.client.request_types import ContainerBody, ExecBody
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

PLUGIN = "pytest_containers_debug"
OPTION = "--containers-debug"
SHELLS = ("/bin/bash", "/bin/ash", "/bin/sh", "/busybox/sh")
"""Where images have one; the last is that of distroless' debug images."""
KEYS = "ctrl-@,ctrl-@,ctrl-@"
"""The keys that leave an exec's terminal and not end it: none that a shell wants, as ctrl-p of Docker's is."""
HOST = "host"
RUNNING = "running"


class _Candidate(NamedTuple):
    container: Container
    name: str
    ending: str

    @property
    def words(self) -> str:
        image = self.container.image
        return f"{self.name or self.container.id[:12]} ({image[:19] if image.startswith('sha256:') else image})"


def register(config: pytest.Config) -> None:
    """Open shells in this run; UsageError where nobody could type into them."""
    if config.getoption("dist", "no") != "no":
        raise pytest.UsageError(f"{OPTION} is incompatible with distributing tests; try using -n0")
    with Terminal(config):
        if not os.isatty(0):
            raise pytest.UsageError(f"{OPTION} needs a terminal, and standard input is none")
    config.pluginmanager.register(Shells(config), PLUGIN)


class Shells:
    """The plugin."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Containers that fail to start stay until the test is over."""
        engine = existing_engine(self._config)
        if engine is not None:
            engine.failed = engine.failed or []

    @pytest.hookimpl(tryfirst=True)
    def pytest_exception_interact(self, node: pytest.Item | pytest.Collector, report: pytest.TestReport) -> None:
        """A test has failed; before pdb, which may end the run."""
        engine = existing_engine(self._config)
        if isinstance(node, pytest.Item) and engine is not None:
            self.look(node, report, in_use(node, engine))

    @pytest.hookimpl
    def pytest_runtest_logfinish(self) -> None:
        """Those that failed to start go."""
        engine = existing_engine(self._config)
        if engine is not None and engine.failed:
            failed, engine.failed = engine.failed, None
            for container in failed:
                engine.remove(container, failed=True)

    def look(self, item: pytest.Item, report: pytest.TestReport, found: Iterable[tuple[Container, str]]) -> None:
        """Open a shell in one of the containers, and then in others, as long as somebody wants."""
        candidates = [_Candidate(one, name, one.ending()) for one, name in found if not one.removed]
        if not candidates:
            return
        _cancel_time_limits(item)
        with Terminal(self._config):
            from _pytest.config import create_terminal_writer

            writer = create_terminal_writer(self._config)
            writer.line()
            writer.sep(">", "traceback")
            report.toterminal(writer)
            writer.sep(">", f"containers of {item.name} ({OPTION})")
            for number, one in enumerate(candidates, 1):
                writer.line(f"{number}  {one.words}: {one.ending}")
            writer.flush()
            _visit(candidates)
            writer.sep(">", "the run goes on")


def _visit(candidates: Sequence[_Candidate]) -> None:
    open_ = [one for one in candidates if one.ending == RUNNING]
    if not open_:
        _say("none of them runs, so there is no shell to open; --containers-keep=failed keeps them")
        return
    if len(open_) == 1:
        _enter(open_[0])
        return
    first: _Candidate | None = open_[0]
    while (chosen := _chosen(candidates, first)) is not None:
        _enter(chosen)
        first = None


def _chosen(candidates: Sequence[_Candidate], first: _Candidate | None) -> _Candidate | None:
    """The one that is typed, by number or name; None: none any more. ``first``: what an empty line means."""
    while True:
        empty = first.words if first else "go on"
        sys.stdout.write(f"shell in which one? number or name, q: go on [{empty}] ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        typed = line.strip()
        if not line or typed == "q":
            return None
        if not typed:
            return first
        for number, one in enumerate(candidates, 1):
            if typed in {str(number), one.name, one.container.id[:12]}:
                if one.ending == RUNNING:
                    return one
                _say(f"{one.words}: {one.ending}, so there is no shell to open")
                break
        else:
            _say(f"there is no {typed!r}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _enter(one: _Candidate) -> None:
    """A shell in a container, until it ends."""
    try:
        engine, container = one.container.engine, one.container
        shell = next((path for path in SHELLS if container.exists(path)), None)
        if shell is not None:
            _say(f"{shell} in {one.words}; exit, or ctrl-d, and the run goes on")
            _converse(engine.client, container.id, [shell])
        else:
            _beside(engine, one)
    except (ClientError, ContainerError) as error:
        _say(f"no shell in {one.words}: {error}")


def _beside(engine: Engine, one: _Candidate) -> None:
    """A shell of the machine in the namespaces of a container whose image has none."""
    client, target = engine.client, f"container:{one.container.id}"
    body: ContainerBody = {
        "Image": HOST,
        "Entrypoint": ["sleep"],
        "Cmd": ["infinity"],
        "Labels": {RUN_LABEL: engine.run},
        # Its files are seen by way of its first process, which takes the right to trace it (proc(5), /proc/pid/root).
        "HostConfig": {"PidMode": target, "NetworkMode": target, "CapAdd": ["SYS_PTRACE"]},
    }
    try:
        helper = client.containers.create(body)
    except NotFoundError:
        named = f"container:{one.container.name}"
        _say(
            f"the image of {one.words} has no shell, and this engine cannot lend one; in another terminal, with an "
            "image that has tools:\n"
            f"  docker -H {engine.url} run -it --rm --pid {named} --network {named} --cap-add SYS_PTRACE busybox\n"
            "return, and the run goes on"
        )
        sys.stdin.readline()
        return
    try:
        client.containers.start(helper)
        _say(
            f"the image of {one.words} has no shell: this one is the machine's, among its processes and in its "
            "network; its files are in /proc/1/root; exit, or ctrl-d, and the run goes on"
        )
        _converse(client, helper, ["sh", "-c", "cd /proc/1/root; command -v bash >/dev/null && exec bash; exec sh"])
    finally:
        with contextlib.suppress(ClientError):  # gone with the container
            client.containers.remove(helper, force=True, volumes=True)


def _converse(client: Client, container: str, command: Sequence[str]) -> None:
    from pytest_containers.cli import execs, terminal
    from pytest_containers.cli.attached import Interrupted

    body: ExecBody = {
        "Cmd": [*command],
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": True,
        "DetachKeys": KEYS,
        "Env": [f"TERM={os.environ.get('TERM', 'xterm')}"],
    }
    if size := terminal.size():
        body["ConsoleSize"] = size
    try:
        execs.exchange(client, client.execs.create(container, body), tty=True, stdin=True, keys=KEYS)
    except Interrupted as interrupted:  # for pytest, which has its own ways with signals
        signal.raise_signal(interrupted.number)


def _cancel_time_limits(item: pytest.Item) -> None:
    """Those of pytest-timeout and of faulthandler_timeout are for tests, not for people; as for pdb."""
    cancel = getattr(item.ihook, "pytest_timeout_cancel_timer", None)
    if cancel is not None:
        cancel(item=item)
    faulthandler.cancel_dump_traceback_later()
