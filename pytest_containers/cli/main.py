"""The command's parser, and what becomes of errors."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pytest_containers.cli import containers, doctor, execs, images, output, run, serve
from pytest_containers.client.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="pytest-containers",
        description="Isolated containers without Docker. All commands but `serve` and `doctor` speak the Docker Engine "
        "API to the engine that DOCKER_HOST names; `run` starts one for itself where there is none.",
        allow_abbrev=False,
    )
    parser.add_argument("-H", "--host", metavar="URL", help="engine to talk to: unix:///path or tcp://host:port")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (run, containers, execs, images, serve, doctor):
        module.register(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = build_parser().parse_args(arguments)
    try:
        status: int = args.handler(args)
        sys.stdout.flush()
    except ClientError as error:
        output.error(str(error))
        return 1
    except BrokenPipeError:  # `… logs | head` is no error
        output.silence()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
