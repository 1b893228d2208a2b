"""What is done to processes that run: signals, freezing, other limits. Each function answers one request."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  the C module: ``signal`` imports enum
import errno

from container_runtime.cgroups import freezer
from container_runtime.kernel import syscalls as sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from container_runtime.cgroups.manager import Manager
    from container_runtime.launcher.process import Process

Message = dict[str, "Any"]


def kill(_: Manager, processes: dict[str, Process], message: Message) -> Message:
    """Send a signal; the answer says whether there was a process to get it. What is to die is thawed for it."""
    process = processes.get(message["target"])
    if process is None:
        return {"found": False}
    try:
        sys.pidfd_send_signal(process.pidfd, message["signal"])
    except ProcessLookupError:
        return {"found": False}
    if message["signal"] == _signal.SIGKILL:
        process.killed = True
        thaw(process)
    return {"found": True}


def freeze(manager: Manager, processes: dict[str, Process], message: Message) -> Message:
    """Freeze a container's group, or thaw it; the answer names the file, since freezing takes its time."""
    process = _target(processes, message)
    if message["frozen"] and process.killed:
        raise ProcessLookupError(errno.ESRCH, "the container is not running", message["target"])
    if message["frozen"]:
        process.frozen = manager.freezer_file(process.group)
        freezer.ask(process.frozen, frozen=True)
    else:
        thaw(process)
    return {"file": process.frozen}


def update(manager: Manager, processes: dict[str, Process], message: Message) -> Message:
    """Change the limits of a running container."""
    manager.update(_target(processes, message).group, message["resources"])
    return {}


def thaw(process: Process) -> None:
    """Let a frozen group go on."""
    if process.frozen:
        freezer.ask(process.frozen, frozen=False)
        process.frozen = ""


def _target(processes: dict[str, Process], message: Message) -> Process:
    process = processes.get(message["target"])
    if process is None:
        raise ProcessLookupError(errno.ESRCH, "the container is not running", message["target"])
    return process


CONTROLS = {"kill": kill, "freeze": freeze, "update": update}
