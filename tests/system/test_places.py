"""Homes and directories that are not as they should be: an ordinary user's engine does without, or says why not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.needs("ordinary")

HANG = 60  # seconds; a hang limit
SUITE = """
    from pytest_containers import container
    box = container("host", ["sh", "-c", "touch /etc/new /var/lib/new && echo done"])
    def test_it(box):
        assert box.wait() == 0
        assert box.logs() == "done\\n"
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., tuple[int, str]]:
    """Run a suite with another environment; None takes a variable out."""
    pytester.makepyfile(test_it=SUITE)

    def run(**changes: str | None) -> tuple[int, str]:
        environment = {**os.environ, **{name: value for name, value in changes.items() if value is not None}}
        for name in [name for name, value in changes.items() if value is None]:
            environment.pop(name, None)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        done = subprocess.run(command, cwd=pytester.path, env=environment, capture_output=True, text=True, timeout=HANG)
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_home_that_is_not_there(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(HOME="/nonexistent")
    assert code == 0, output


def test_no_home_in_the_environment(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(HOME=None)
    assert code == 0, output


def test_a_home_that_may_not_be_written(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    code, output = run(HOME=str(home))
    assert code == 0, output


def test_data_where_overlayfs_takes_none(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(PYTEST_CONTAINERS_DATA="/proc/data")
    assert code == 0, output


def test_a_socket_path_that_is_too_long(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["deep" * 8] * 4)
    deep.mkdir(parents=True)
    code, output = run(XDG_RUNTIME_DIR=str(deep))
    assert code == 1
    assert "path too long" in output
    assert "Traceback" not in output
    assert not any(path.is_socket() for path in deep.rglob("*"))


def test_a_runtime_directory_that_belongs_to_somebody_else_is_not_used(run: Callable[..., tuple[int, str]]) -> None:
    code, output = run(XDG_RUNTIME_DIR="/root")
    assert code == 0, output


def test_the_machine_is_reached_where_it_listens_for_all(containers) -> None:
    """host.docker.internal is no way to what listens on loopback alone."""
    client = (
        "import socket, sys\nfor port in sys.argv[1:]:\n"
        " try: print(socket.create_connection(('host.docker.internal', int(port)), 5).recv(9).decode() or 'nothing')\n"
        " except OSError as error: print(type(error).__name__)\n"
    )
    with socket.create_server(("0.0.0.0", 0)) as everywhere, socket.create_server(("127.0.0.1", 0)) as loopback:
        ports = [str(one.getsockname()[1]) for one in (everywhere, loopback)]
        asking = containers.run("host", ["python3", "-c", client, *ports])
        everywhere.settimeout(HANG)
        connection, _ = everywhere.accept()
        connection.sendall(b"here")
        connection.close()
        assert asking.wait() == 0, asking.logs()
    assert asking.logs().splitlines()[0] == "here"
    assert asking.logs().splitlines()[1] in {"ConnectionRefusedError", "ConnectionResetError", "nothing"}
