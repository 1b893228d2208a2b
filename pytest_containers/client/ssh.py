"""An engine at the other end of ssh: docker's own command there passes the connection on, as for docker's command here.

The words are those of docker's cli/connhelper/connhelper.go (29.0). Who authenticates is ssh, with its agent, keys and
configuration; a question for a password it cannot ask, since the process has no terminal.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING

from pytest_containers.client.bridged import Bridged
from pytest_containers.client.errors import EngineUnreachable

if TYPE_CHECKING:
    from pytest_containers.client.address import Address

CONNECT_LIMIT = 30
"""Seconds that ssh tries to connect; docker's own limit."""
END_LIMIT = 5.0
"""Seconds that ssh may take to end when it was asked to."""
REASON_LIMIT = 4096
"""Bytes of what ssh says that a message shows."""


def words(address: Address) -> list[str]:
    """The command line."""
    there = ["docker", f"--host=unix://{address.path}"] if address.path else ["docker"]
    options = ["-o", f"ConnectTimeout={CONNECT_LIMIT}", "-T"]
    options += ["-l", address.user] if address.user else []
    options += ["-p", f"{address.port}"] if address.port else []
    return ["ssh", *options, "--", address.host, shlex.join([*there, "system", "dial-stdio"])]


def connect(address: Address, timeout: float | None) -> Bridged:
    """A connection by a process of its own, which ends with it.

    Raises:
        EngineUnreachable: there is no ssh.
    """
    if not shutil.which("ssh"):
        raise EngineUnreachable(f"no engine answers at {address.url}: the program ssh is not installed")
    ours, theirs = socket.socketpair()
    said = tempfile.TemporaryFile()  # noqa: SIM115  closed with the connection
    try:
        with theirs:
            # A session of its own: Ctrl-C is for pytest, which then still needs the engine for its teardown.
            process = subprocess.Popen(  # noqa: S603  words without a shell, and a host is never an option
                words(address), stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=said, start_new_session=True
            )
    except BaseException:
        ours.close()
        said.close()
        raise

    def reason() -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_LIMIT)
        said.seek(0)
        text = said.read(REASON_LIMIT).decode(errors="replace").strip()
        return text or f"ssh ended with exit code {process.poll()}"

    def stop() -> None:
        process.terminate()
        try:
            process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        said.close()

    sock = Bridged(ours, reason, stop)
    sock.settimeout(timeout)
    return sock


def host_name(address: Address) -> str:
    """The name or address of the machine behind ``address.host``, which may be a word of ssh's configuration."""
    try:
        options = ["-p", f"{address.port}"] if address.port else []
        command = ["ssh", "-G", *options, "--", address.host]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=END_LIMIT)  # noqa: S603  as above
    except (OSError, subprocess.SubprocessError):
        return address.host
    return next((line.split()[1] for line in done.stdout.splitlines() if line.startswith("hostname ")), address.host)
