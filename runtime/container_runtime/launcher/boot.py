"""The launcher process from its first line: what it takes over, and how it cuts itself off."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  the C module: ``signal`` imports enum
import gc
import os
import sys as python

from container_runtime.kernel import userns
from container_runtime.launcher import bounds, init
from container_runtime.launcher.main import Launcher


def main() -> None:
    """Entry: ``argv`` is the socket's descriptor, the engine's pidfd, the run directory, user and ids (``userns``)."""
    channel, engine, run_directory = int(python.argv[2]), int(python.argv[3]), python.argv[4]
    if len(python.argv) > 5:
        userns.adopt(int(python.argv[5]), int(python.argv[6]))
    bounds.close_to_children()
    bounds.own_mounts()
    init.prepare()
    for signal in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(signal, _signal.SIG_IGN)  # of a terminal's Ctrl-C: the engine decides
    gc.collect()
    gc.freeze()
    gc.disable()
    launcher = Launcher(channel, engine, run_directory)
    launcher.send({"event": "ready"})
    launcher.serve()
    os._exit(0)  # the engine waits, and Python would take itself apart first
