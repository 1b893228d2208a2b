"""``serve``: the engine on a socket of the user's choice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_containers.cli.engine import ENGINE

if TYPE_CHECKING:
    import argparse

    from pytest_containers.cli.commands import Commands


def register(commands: Commands) -> None:
    """Add ``serve``."""
    parser = commands.add_parser("serve", help="run an engine that Docker's clients can talk to", allow_abbrev=False)
    parser.add_argument("--socket", required=True, type=Path, metavar="PATH", help="unix socket to listen on")
    parser.set_defaults(handler=serve)


def serve(args: argparse.Namespace) -> int:
    """Become the engine; it ends on SIGTERM and Ctrl-C with all it holds."""
    os.execv(ENGINE[0], [*ENGINE, "--socket", str(args.socket.absolute())])  # noqa: S606  # our own engine
