"""``exec``: a command in a running container."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, output, values
from pytest_containers.client.errors import APIError

if TYPE_CHECKING:
    from pytest_containers.cli.commands import Commands
    from pytest_containers.client.types import ExecBody


def register(commands: Commands) -> None:
    """Add ``exec`` and its options."""
    parser = commands.add_parser("exec", help="run a command in a running container", allow_abbrev=False,
                                 usage="pytest-containers exec [OPTIONS] CONTAINER COMMAND [ARG...]")  # fmt: skip
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="do not wait for it")
    add("-i", "--interactive", action="store_true", help="pass standard input on")
    add("-e", "--env", action="append", default=[], metavar="KEY[=VALUE]", help="set an environment variable")
    add("-u", "--user", help="user, or user:group, by name or number")
    add("-w", "--workdir", help="working directory in the container")
    add("container", metavar="CONTAINER")
    add("command", metavar="COMMAND", nargs=argparse.REMAINDER)
    parser.set_defaults(handler=execute, parser=parser)


def execute(args: argparse.Namespace) -> int:
    """Run the command and return its exit code; 126 and 127 as the shell and Docker have them."""
    if not args.command:
        args.parser.error("COMMAND is missing")
    body: ExecBody = {
        "Cmd": args.command,
        "AttachStdin": args.interactive,
        "AttachStdout": not args.detach,
        "AttachStderr": not args.detach,
        "Env": values.environment(args.env, os.environ),
    }
    if args.user:
        body["User"] = args.user
    if args.workdir:
        body["WorkingDir"] = args.workdir
    with engine.connect(args) as client:
        identifier = client.execs.create(args.container, body)
        try:
            if args.detach:
                client.execs.start_detached(identifier)
                return 0
            stream = client.execs.open(identifier)
        except APIError as error:
            output.error(str(error))
            code = values.start_exit_code(str(error))
            return code if code != values.ENGINE_ERROR else 1
        from pytest_containers.cli.attached import Session

        with stream:
            Session(stream, stdin=0 if args.interactive else None).run()
        return client.execs.inspect(identifier).get("ExitCode") or 0
