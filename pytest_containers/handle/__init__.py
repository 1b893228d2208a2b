"""The container that a test holds."""

from __future__ import annotations

from pytest_containers.handle.checkpoints import Checkpoints
from pytest_containers.handle.execs import ExecResult, Execs
from pytest_containers.handle.host_ports import HostPorts
from pytest_containers.handle.logs import Logs
from pytest_containers.handle.slices import Slices

__all__ = ["Container", "ExecResult", "Logs"]


class Container(Checkpoints, Execs, HostPorts, Slices):
    """One container, real and isolated.

    ``host``, ``port`` and ``url`` serve the test process, ``address`` serves other containers. Every method raises
    ContainerError where the engine cannot do it.
    """
