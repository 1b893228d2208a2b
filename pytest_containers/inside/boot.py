"""The first process of a test's container: starts the warm pytest, frames what it says, and reaps.

It runs as a script in an interpreter that may have neither pytest nor this package, so it imports the standard library
only, and little of that. Its standard output carries frames: one byte kind, four bytes length (big-endian), data.
``P`` is a piece of the messages, which are JSON lines; ``O`` and ``E`` are pieces of what was written to standard
output and error without being captured. Its own standard error is for what goes wrong here.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys

TYPE_CHECKING = False  # importing typing costs more than all else here
if TYPE_CHECKING:
    from typing import Any

CHUNK = 65536
MAIN_MODULES = ("pytest_containers",)


def main() -> None:
    """Fork the warm pytest and pass on what it writes until it ends; the exit code is its own, 128 + n for signal n."""
    pipes = [(kind, *os.pipe()) for kind in b"OEP"]
    ready, wake = os.pipe()
    child = os.fork()
    if child == 0:
        (_, _, out), (_, _, err), (_, _, say) = pipes
        commands = os.dup(0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        for _, reader, writer in pipes:
            os.close(reader)
            if writer != say:
                os.close(writer)
        work(commands, say)
        return
    os.close(0)
    for _, _, writer in pipes:
        os.close(writer)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, woken)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    sys.exit(relay({reader: kind for kind, reader, _ in pipes}, ready, child))


def woken(_number: int, _frame: object) -> None:
    """A child has ended: the descriptor of ``set_wakeup_fd`` tells of it."""


def relay(kinds: dict[int, int], ready: int, child: int) -> int:
    """Pass on pieces, output before messages, until ``child`` has ended; returns its exit code."""
    poll = select.poll()
    for reader in (*kinds, ready):
        poll.register(reader, select.POLLIN)
    code = None
    while True:
        code = reap(child) if code is None else code
        waiting = {number for number, _ in poll.poll(None if code is None else 0)}
        for reader in sorted(waiting & set(kinds), key=lambda each: kinds[each] == ord("P")):
            piece = os.read(reader, CHUNK)
            if piece:
                frame(kinds[reader], piece)
            else:
                poll.unregister(reader)
        if ready in waiting:
            os.read(ready, CHUNK)
        elif code is not None and not waiting:
            return code


def reap(child: int) -> int | None:
    """Take the ends of all processes that have ended; the exit code of ``child``, if it is among them."""
    code = None
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 1 if code is None else code
        if not process:
            return code
        if process == child:
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def frame(kind: int, piece: bytes) -> None:
    """Write one frame."""
    rest = bytes([kind]) + len(piece).to_bytes(4, "big") + piece
    while rest:
        rest = rest[os.write(1, rest) :]


def work(commands: int, say: int) -> None:
    """Be the warm pytest: the first line of the commands has the settings."""
    with os.fdopen(commands, "rb") as requests:
        settings = json.loads(requests.readline())
        try:
            prepare_path(settings)
            from pytest_containers.inside.worker import serve
        except ImportError as error:
            text = f"{sys.executable} (Python {sys.version.split()[0]}) cannot run pytest: {error}"
            os.write(say, json.dumps({"kind": "fatal", "text": text}).encode() + b"\n")
            return
        serve(settings, requests, say)


def prepare_path(settings: dict[str, Any]) -> None:
    """Let this interpreter find the project, pytest and this package, and nothing else of the one outside."""
    if sys.path[0] == os.path.dirname(os.path.abspath(__file__)):  # noqa: PTH100, PTH120  pathlib costs too much here
        del sys.path[0]
    if settings["same"] and [*sys.version_info[:2], sys.prefix] == settings["interpreter"]:
        sys.path[:] = settings["path"]
        return
    sys.path[:0] = settings["project"]
    from importlib.machinery import PathFinder

    places = settings["companions"]
    own = MAIN_MODULES if PathFinder.find_spec("pytest") else tuple(places)

    class Companions:
        """Finds single packages in directories that are not on the path, so that their neighbours stay unseen."""

        @staticmethod
        def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN205, ARG004
            return PathFinder.find_spec(name, [places[name]]) if name in own and name in places else None

    sys.meta_path.insert(0, Companions)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
