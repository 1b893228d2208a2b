"""Stopping and resuming all processes of a group (cgroups(7)): ``freezer.state`` on v1, ``cgroup.freeze`` on v2.

A frozen process of v1 does not die of SIGKILL until it is thawed, so whoever kills a group thaws it first.
"""

from __future__ import annotations

import os
import select
import time

from container_runtime.cgroups import ends, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

V1_FILE = "freezer.state"
V2_FILE = "cgroup.freeze"
_PAUSE = 0.001  # seconds between two looks at v1's state, which nothing announces


class FreezeError(OSError):
    """Processes that did not freeze in time; ``filename`` is the group's file."""


def ask(path: str, *, frozen: bool) -> None:
    """Tell the kernel to freeze or thaw the group that ``path``, its file of either version, belongs to."""
    if path.endswith(V2_FILE):
        files.write(path, "1" if frozen else "0")
    else:
        files.write(path, "FROZEN" if frozen else "THAWED")


def is_frozen(path: str) -> bool:
    """Whether every process of the group stands still."""
    if path.endswith(V2_FILE):
        return "frozen 1" in files.read(path.removesuffix(V2_FILE) + "cgroup.events")
    return files.read(path).strip() == "FROZEN"


def await_frozen(path: str, limit: float, given_up: Callable[[], bool] = bool) -> None:
    """Block until the group stands still; ``given_up`` is asked whether it is not to be frozen any more.

    Raises:
        FreezeError: it did not within ``limit`` seconds (a process in an uninterruptible wait); it is thawed again.
    """
    end = time.monotonic() + limit
    events = -1
    if path.endswith(V2_FILE):
        events = os.open(path.removesuffix(V2_FILE) + "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    try:
        poll = select.poll()
        if events >= 0:
            poll.register(events, select.POLLPRI)  # cgroup-v2.rst: a change of the file is announced
        while not is_frozen(path):
            left = end - time.monotonic()
            if left <= 0:
                ask(path, frozen=False)
                raise FreezeError(16, f"the processes did not stand still within {limit:g} seconds", path)
            if events < 0:
                ask(path, frozen=True)  # whoever was forked meanwhile is asked too
            poll.poll((left if events >= 0 else _PAUSE) * 1000)
            if given_up():
                break
    finally:
        if events >= 0:
            os.close(events)
    if given_up():  # whoever thawed it may have done so before it was asked for the last time
        ask(path, frozen=False)
        raise FreezeError(125, "it is not wanted any more", path)


def gather(directory: str, others: Iterable[str]) -> None:
    """Move all tasks of a container into its group of the v1 freezer, which it gets when it is first paused.

    ``others``: its groups of other controllers. Those forked by a task that was moved are born there, so that a round
    that finds nobody new is the last.
    """
    while True:
        inside = set(files.read(directory + "/tasks").split())
        missing = {task for other in others for task in files.read(other + "/tasks").split()} - inside
        if not missing:
            return
        for task in missing:
            try:
                files.write(directory + "/tasks", task)
            except ProcessLookupError:
                continue  # it has ended


def end_frozen(directory: str, limit: float) -> None:
    """Thaw a group whose processes have been killed, and wait for their end, at most ``limit`` seconds.

    For what a launcher and an engine left that were killed together while a container was paused.
    """
    names = [name for name in (V1_FILE, V2_FILE) if os.access(f"{directory}/{name}", os.F_OK)]
    if not names or not is_frozen(f"{directory}/{names[0]}"):
        return
    pids = map(int, files.read(directory + "/cgroup.procs").split())
    ends.bring_about(pids, lambda _: ask(f"{directory}/{names[0]}", frozen=False), limit)
