"""When a container is ready: ``wait.port(6379)``, ``wait.log("ready")``, combined with ``&`` and ``|``."""

from __future__ import annotations

from pytest_containers.wait.base import Wait as Wait
from pytest_containers.wait.callable import callable as callable  # noqa: A004  used as wait.callable()
from pytest_containers.wait.combine import all as all  # noqa: A004
from pytest_containers.wait.combine import any as any  # noqa: A004
from pytest_containers.wait.command import command as command
from pytest_containers.wait.command import file as file
from pytest_containers.wait.exit import exit as exit  # noqa: A004
from pytest_containers.wait.health import healthy as healthy
from pytest_containers.wait.http import http as http
from pytest_containers.wait.limit import none as none
from pytest_containers.wait.log import log as log
from pytest_containers.wait.port import port as port

__all__ = [
    "Wait",
    "all",
    "any",
    "callable",
    "command",
    "exit",
    "file",
    "healthy",
    "http",
    "log",
    "none",
    "port",
]
