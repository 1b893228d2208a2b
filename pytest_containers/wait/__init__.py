"""When a container is ready: ``wait.port(6379)``, ``wait.log("ready")``, combined with ``&`` and ``|``."""

from __future__ import annotations

from pytest_containers.wait.base import Wait as Wait
from pytest_containers.wait.log import log as log
from pytest_containers.wait.port import port as port

__all__ = ["Wait", "log", "port"]
