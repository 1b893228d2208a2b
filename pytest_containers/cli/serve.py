"""``serve``, ``doctor`` and ``clean``: programs of the engine, which is a process of its own."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

RUNTIME = (sys.executable, "-P", "-m", "container_runtime")
"""How the engine's programs are started; ``-P`` keeps the working directory off the import path."""
_SIGNALLED = 128  # and the signal's number, as shells have it


def add_serve(parser: ArgumentParser) -> None:
    """Add the arguments of ``serve``."""
    parser.add_argument("--socket", required=True, type=Path, metavar="PATH", help="unix socket to listen on")
    parser.add_argument("--idle-limit", type=int, metavar="SECONDS", help="end when nobody has been connected so long")
    parser.set_defaults(handler=serve)


def add_doctor(parser: ArgumentParser) -> None:
    """Add the arguments of ``doctor``."""
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines for people")
    parser.set_defaults(handler=functools.partial(_run, "doctor"))


def add_clean(parser: ArgumentParser) -> None:
    """Add the arguments of ``clean``."""
    parser.add_argument("--json", action="store_true", help="one JSON object for each thing removed")
    parser.set_defaults(handler=clean)


def serve(args: Namespace) -> int:
    """Become the engine; it ends on SIGTERM and Ctrl-C with all it holds."""
    idle = [] if args.idle_limit is None else ["--idle-limit", str(args.idle_limit)]
    words = [*RUNTIME, "serve", "--socket", str(args.socket.absolute()), *idle]
    os.execv(RUNTIME[0], words)  # noqa: S606  # our own engine


def clean(args: Namespace) -> int:
    """End engines that outlive runs, and what they keep: with ``-H`` that one, else all; then what dead ones left."""
    from pytest_containers.client import Client
    from pytest_containers.embedded import end_shared, runtime_home
    from pytest_containers.reuse.cleaning import clean as clean_kept

    if args.host:
        with Client(args.host) as client:
            client.system.shutdown()
        return 0
    for kind, name in clean_kept():
        _removed(args, kind, name)
    for marker in sorted(runtime_home().glob("run-*/kept")):
        end_shared(marker.parent)
        _removed(args, "kept engine", str(marker.parent))
    sys.stdout.flush()  # what another process prints comes after it
    return _run("clean", args)


def _removed(args: Namespace, kind: str, path: str) -> None:
    from pytest_containers.cli import output

    output.line(output.as_json({"kind": kind, "path": path}) if args.json else f"removed {kind} {path}")


def _run(name: str, args: Namespace) -> int:
    """Run a program of the engine and return its exit status."""
    words = [*RUNTIME, name, "--json"] if args.json else [*RUNTIME, name]
    status = subprocess.run(words, check=False).returncode  # noqa: S603  # our own engine
    return status if status >= 0 else _SIGNALLED - status
