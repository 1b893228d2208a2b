"""Reads ``HOST PORT`` lines; answers ``open`` when a connection is accepted. Runs in the network of an engine."""

import socket
import sys
import time

LIMIT = 30.0
"""Seconds after which a port counts as never opening."""
PAUSE = 0.0005
"""Between two attempts: the kernel does not announce that a port of another namespace opens."""


def is_open(host: str, port: int) -> bool:
    """Try until it accepts."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(LIMIT)
            if probe.connect_ex((host, port)) == 0:
                return True
        time.sleep(PAUSE)
    return False


for line in sys.stdin:
    name, number = line.split()
    print("open" if is_open(name, int(number)) else "closed", flush=True)
