"""A program that behaves as badly as it can, of which nothing is left when its container goes."""

import uuid
from pathlib import Path

import pytest

from pytest_containers import Containers

PROGRAM = {"/hostile.py": Path(__file__).with_name("hostile.py")}
PLACES = ("/", "/etc", "/var/tmp", "/dev/shm", "/tmp")


def left(name: str) -> list[str]:
    """Processes of this machine, and files, with the name that only the hostile program has."""
    processes = [path for path in Path("/proc").glob("[0-9]*") if name in _command(path)]
    return [str(path) for path in (*processes, *(Path(place, name) for place in PLACES)) if path.exists()]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""  # it has ended meanwhile


def test_daemons_and_files(containers: Containers) -> None:
    hostile = containers.run("host", ["python3", "/hostile.py", name := uuid.uuid4().hex], files=PROGRAM)
    hostile.logs.expect("all there")
    assert left(name)  # its processes are the machine's, too; its files are not
    hostile.remove()
    assert left(name) == []


@pytest.mark.container_limits(pids=50)
def test_fork_bomb(containers: Containers) -> None:
    bomb = containers.run("host", ["python3", "/hostile.py", name := uuid.uuid4().hex, "bomb"], files=PROGRAM)
    bomb.logs.expect("bomb: .*unavailable")
    bomb.remove()
    assert left(name) == []
