"""A container's processes as the machine's ps(1) shows them (moby, daemon/top_unix.go)."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container_runtime.cgroups import stats as groups
from container_runtime.engine.views.stats import places_of
from container_runtime.errors import Conflict, EngineError

if TYPE_CHECKING:
    from container_runtime.engine.container import Container
    from container_runtime.engine.core import Engine

_DEFAULT = "-ef"
_LIMIT = 60.0
"""Seconds that ps may take: it reads /proc and ends."""
# A column that is given another title could call itself PID; "pid=" alone leaves titles out. Both are refused.
_RENAMED = re.compile(r"\s+([^\s]*)=\s*(PID[^\s]*)")


def check_arguments(arguments: str) -> None:
    """Refuse what would make another column look like that of the process ids.

    Raises:
        EngineError: it is there.
    """
    for name, title in _RENAMED.findall(f" {arguments}"):
        if name != "pid":
            raise EngineError(f'specifying "{name}={title}" is not allowed')


def select(output: str, pids: set[int]) -> dict[str, Any]:
    """``Titles`` and ``Processes`` of those lines of ps that are about ``pids``, or threads of them.

    Raises:
        EngineError: there is no column of process ids.
    """
    first, *lines = output.split("\n")
    titles = first.split()
    if "PID" not in titles:
        raise EngineError("Couldn't find PID field in ps output")
    place = titles.index("PID")
    chosen: list[list[str]] = []
    inside = False
    for line in lines:
        fields = line.split()
        if len(fields) <= place:
            continue
        if fields[place] == "-":  # a thread of the process above (ps -m)
            if not inside:
                continue
        elif not fields[place].isdigit():
            raise EngineError(f"Unexpected pid '{fields[place]}' in ps output")
        else:
            inside = int(fields[place]) in pids
        if inside:
            last = len(titles) - 1
            chosen.append([*fields[:last], " ".join(fields[last:])])
    return {"Titles": titles, "Processes": chosen}


async def top(engine: Engine, container: Container, arguments: str) -> dict[str, Any]:
    """``GET /containers/{id}/top``.

    Raises:
        Conflict: it does not run.
        EngineError: ps is not installed, or does not take these arguments.
    """
    await container.settle()
    if not container.pid:
        raise Conflict(f"container {container.id} is not running")
    check_arguments(arguments)
    pids = set(await asyncio.to_thread(_pids, engine, container.pid))
    words = (arguments or _DEFAULT).split()
    listed = ",".join(str(pid) for pid in sorted(pids))
    # The list first: it keeps ps from reading all of the machine's /proc; arguments of other forms do not go with it.
    try:
        output = await asyncio.to_thread(_ps, [*words, f"-q{listed}"])
    except EngineError:
        output = await asyncio.to_thread(_ps, words)
    found = select(output, pids)
    container.publish(engine.events, "top")
    return found


def _pids(engine: Engine, pid: int) -> list[int]:
    found = groups.processes(places_of(engine, pid))
    if found:
        return found
    # No control groups for this user: the processes of its pid namespace.
    try:
        wanted = Path(f"/proc/{pid}/ns/pid").readlink()
    except OSError:
        return []
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_in(entry, wanted)]


def _is_in(process: Path, namespace: Path) -> bool:
    try:
        return (process / "ns/pid").readlink() == namespace
    except OSError:  # it has gone, or is somebody else's
        return False


def _ps(words: list[str]) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}  # it would cut lines off
    try:
        done = subprocess.run(  # noqa: S603  what a client gives are arguments of ps, no shell sees them
            ["ps", *words],  # noqa: S607  wherever the machine has it
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT,
            env=environment,
            check=False,
        )
    except FileNotFoundError:
        raise EngineError(
            'ps: exec: "ps": executable file not found in $PATH: install the package procps on the engine\'s machine'
        ) from None
    except (subprocess.TimeoutExpired, ValueError) as error:  # ValueError: a NUL among the arguments
        raise EngineError(f"ps: {error}") from None
    if done.returncode:
        raise EngineError(f"ps: exit status {done.returncode}: {done.stderr.strip().partition(chr(10))[0]}")
    return done.stdout
