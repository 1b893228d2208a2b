"""An engine with ``--idle-limit`` ends when nobody has been connected for so long."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HANG_LIMIT = 60.0


def test_it_ends_after_the_last_client_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(path))
    words = ["serve", "--listen-fd", str(listener.fileno()), "--idle-limit", "1"]
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "container_runtime", *words], pass_fds=[listener.fileno()]
    ) as process:
        try:
            client.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            assert select.select([client], [], [], 2)[0] == []  # it would have been closed by the end
            assert process.poll() is None
            client.close()
            assert process.wait(HANG_LIMIT) == 0
        finally:
            process.kill()
            listener.close()
            client.close()
