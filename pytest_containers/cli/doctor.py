"""``doctor``: what of the engine's needs this machine meets, and what helps where it does not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from pytest_containers.cli.commands import Commands

DOCTOR = (sys.executable, "-P", "-m", "container_runtime", "doctor")
"""As the engine is started: ``-P`` keeps the working directory off its import path."""
_SIGNALLED = 128  # and the signal's number, as shells have it


def register(commands: Commands) -> None:
    """Add ``doctor``."""
    parser = commands.add_parser(
        "doctor", help="try what containers need of this machine, and say what helps", allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines for people")
    parser.set_defaults(handler=doctor)


def doctor(args: argparse.Namespace) -> int:
    """Run it as a process of its own, as the engine is one, and return its exit status."""
    words = [*DOCTOR, "--json"] if args.json else [*DOCTOR]
    status = subprocess.run(words, check=False).returncode  # noqa: S603  # our own engine
    return status if status >= 0 else _SIGNALLED - status
