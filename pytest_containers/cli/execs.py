"""``exec``: a command in a running container."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, output, terminal, values
from pytest_containers.client.errors import APIError

if TYPE_CHECKING:
    from pytest_containers.client import Client
    from pytest_containers.client.request_types import ExecBody


def add_exec(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``exec``."""
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="do not wait for it")
    add("-i", "--interactive", action="store_true", help="pass standard input on")
    add("-t", "--tty", action="store_true", help="give it a terminal")
    add("--detach-keys", type=terminal.key_option, metavar="KEYS",
        help="keys that leave the terminal (default ctrl-p,ctrl-q)")  # fmt: skip
    add("-e", "--env", action="append", default=[], metavar="KEY[=VALUE]", help="set an environment variable")
    add("--env-file", action="append", default=[], metavar="FILE", help="environment variables, one a line")
    add("--privileged", action="store_true", help="take nearly all restrictions away")
    add("-u", "--user", help="user, or user:group, by name or number")
    add("-w", "--workdir", help="working directory in the container")
    add("container", metavar="CONTAINER")
    add("first", metavar="COMMAND")
    add("rest", metavar="ARG", nargs=argparse.REMAINDER)
    parser.set_defaults(handler=execute)


def exec_body(args: argparse.Namespace) -> ExecBody:
    """Return the request that the options ask for; raises UsageError."""
    lines = [line for path in args.env_file for line in values.file_lines(path, os.environ)]
    body: ExecBody = {
        "Cmd": [args.first, *args.rest],
        "AttachStdin": args.interactive and not args.detach,
        "AttachStdout": not args.detach,
        "AttachStderr": not args.detach,
        "Env": lines + values.environment(args.env, os.environ),
    }
    if args.tty:
        body["Tty"] = True
        if size := terminal.size():
            body["ConsoleSize"] = size
    if args.detach_keys:
        body["DetachKeys"] = args.detach_keys
    if args.privileged:
        body["Privileged"] = True
    if args.user:
        body["User"] = args.user
    if args.workdir:
        body["WorkingDir"] = args.workdir
    return body


def execute(args: argparse.Namespace) -> int:
    """Run the command and return its exit code; 126 and 127 as the shell and Docker have them."""
    body = exec_body(args)
    terminal.check(tty=args.tty, stdin=body.get("AttachStdin", False))
    with engine.connect(args) as client:
        try:
            identifier = client.execs.create(args.container, body)
            if args.detach:
                client.execs.start_detached(identifier)
                return 0
            return converse(client, identifier, tty=args.tty, stdin=args.interactive, keys=args.detach_keys)
        except APIError as error:
            output.error(str(error))
            code = values.start_exit_code(str(error))
            return code if code != values.ENGINE_ERROR else 1


def converse(client: Client, identifier: str, *, tty: bool, stdin: bool, keys: str | None) -> int:
    """Run it with our streams and return its exit code; ``keys`` leave its terminal."""
    from pytest_containers.cli import foreground
    from pytest_containers.cli.attached import Interrupted

    try:
        detached = exchange(client, identifier, tty=tty, stdin=stdin, keys=keys)
    except Interrupted as left:  # the command is left to itself, as with docker's
        return foreground.SIGNALLED + left.number
    if detached:
        return 0
    return client.execs.inspect(identifier).get("ExitCode") or 0


def exchange(client: Client, identifier: str, *, tty: bool, stdin: bool, keys: str | None) -> bool:
    """Run it with our streams until it ends, or ``keys`` are typed (true); Interrupted where a signal comes to us."""
    from pytest_containers.cli import foreground
    from pytest_containers.cli.attached import Signals

    streams = foreground.Streams(tty=tty, stdin=stdin, keys=keys)

    def resize(rows: int, columns: int) -> None:
        client.execs.resize(identifier, rows, columns)

    with (
        Signals() as signals,
        streams.raw(),
        client.execs.open(identifier, tty=tty, size=terminal.size()) as stream,
    ):
        session = streams.session(stream, signals, foreground.leave, resize)
        session.run()
    return session.detach_typed
