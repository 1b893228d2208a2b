"""The machine itself, who asks, and whether another engine is there."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

from container_runtime.doctor.model import Finding

if TYPE_CHECKING:
    from container_runtime.doctor.surroundings import Surroundings

OLDEST = (5, 11)
"""The first kernel whose overlayfs can be mounted in a user namespace, and newer than all else that is used."""
MACHINES = ("x86_64", "aarch64")
_DOCKER = "/var/run/docker.sock"
_PATIENCE = 2.0  # seconds that Docker may take to answer


def kernel(here: Surroundings) -> Finding:
    """The kernel and the machine. The version only explains: each feature is tried by a probe of its own."""
    found = f"{here.system} {here.release} on {here.machine}"
    if here.system != "Linux" or here.machine not in MACHINES:
        return Finding(
            "kernel",
            "missing",
            f"this is {found}",
            "the engine knows the system calls of Linux on x86_64 and aarch64 only",
            "use such a machine, or another engine: pytest --containers-engine=docker",
        )
    numbers = re.match(r"(\d+)\.(\d+)", here.release)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        return Finding(
            "kernel",
            "limited",
            f"this is {found}, older than {OLDEST[0]}.{OLDEST[1]}",
            "the engine is not tested with it; what follows says what works",
            f"use Linux {OLDEST[0]}.{OLDEST[1]} or later",
        )
    return Finding("kernel", "ok", found)


def user(here: Surroundings) -> Finding:
    """Who starts containers, and with which rights."""
    inside = f", inside {here.container}" if here.container else ""
    return Finding("user", "ok", here.who + inside)


def another_engine(here: Surroundings) -> Finding:
    """Docker's socket, as an alternative: of no importance to the verdict."""
    del here
    url = os.environ.get("DOCKER_HOST") or f"unix://{_DOCKER}"
    if not url.startswith("unix://"):
        return Finding("other engine", "ok", f"DOCKER_HOST is {url} (not tried): pytest --containers-engine=docker")
    return Finding("other engine", "ok", describe_socket(url.removeprefix("unix://")))


def describe_socket(path: str) -> str:
    """What answers at a socket, in words."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PATIENCE)
        try:
            probe.connect(path)
            probe.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            answer = probe.recv(64)
        except PermissionError:
            return f"there is one at {path}, which this user may not use"
        except OSError:
            return f"none answers at {path}, and none is needed"
    if answer.startswith(b"HTTP/1.") and b" 200 " in answer:
        return f"one answers at {path}: pytest --containers-engine=docker uses it instead"
    return f"what answers at {path} is no Docker engine, and none is needed"
