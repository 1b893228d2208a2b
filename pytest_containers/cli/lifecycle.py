"""``stop``, ``restart``, ``kill``, ``pause``, ``unpause``, ``wait``, ``rm``, ``rename`` and ``update``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_containers.cli import creation, engine, options, output, values

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pytest_containers.client import Client
    from pytest_containers.client.containers import Waiting

    Action = Callable[[Client, str, argparse.Namespace], object]


def _add(parser: argparse.ArgumentParser, action: Action) -> None:
    """What is done to each container that is named; the name is printed when it is done."""

    def handler(args: argparse.Namespace) -> int:
        with engine.connect(args) as client:
            return output.each(args.containers, lambda name: action(client, name, args))

    parser.add_argument("containers", metavar="CONTAINER", nargs="+")
    parser.set_defaults(handler=handler)


def _add_time(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-s", "--signal", metavar="SIGNAL", help="signal that asks it to end")
    parser.add_argument("-t", "--timeout", "--time", type=int, metavar="SECONDS",
                        help="time to end by itself before it is killed (default 10)")  # fmt: skip


def add_stop(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``stop``."""
    _add_time(parser)
    _add(parser, lambda client, name, args: client.containers.stop(name, args.timeout, args.signal))


def add_restart(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``restart``."""
    _add_time(parser)
    _add(parser, lambda client, name, args: client.containers.restart(name, args.timeout, args.signal))


def add_kill(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``kill``."""
    parser.add_argument("-s", "--signal", default="SIGKILL", metavar="SIGNAL", help="the signal, by name or number")
    _add(parser, lambda client, name, args: client.containers.kill(name, args.signal))


def add_pause(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``pause``."""
    _add(parser, lambda client, name, _args: client.containers.pause(name))


def add_unpause(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``unpause``."""
    _add(parser, lambda client, name, _args: client.containers.unpause(name))


def add_rm(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``rm``."""
    parser.add_argument("-f", "--force", action="store_true", help="kill them first where they run")
    parser.add_argument("-v", "--volumes", action="store_true", help="remove their anonymous volumes, too")
    _add(parser, lambda client, name, args: client.containers.remove(name, force=args.force, volumes=args.volumes))


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wait``."""
    parser.add_argument("containers", metavar="CONTAINER", nargs="+")
    parser.set_defaults(handler=wait)


def add_rename(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``rename``."""
    parser.add_argument("container", metavar="CONTAINER")
    parser.add_argument("name", metavar="NEW_NAME")
    parser.set_defaults(handler=rename)


def add_update(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``update``."""
    options.add_limits(parser)
    parser.add_argument("--restart", type=values.restart_policy, metavar="POLICY",
                        help="no, on-failure[:times], always or unless-stopped")  # fmt: skip
    _add(parser, _update)


def wait(args: argparse.Namespace) -> int:
    """Wait for all at once, and print their exit codes in the order of the names."""
    with engine.connect(args) as client, contextlib.ExitStack() as stack:
        waiting: list[Waiting] = []

        def begin(name: str) -> None:
            waiting.append(stack.enter_context(client.containers.open_wait(name)))

        status = output.each(args.containers, begin, silent=True)
        for one in waiting:
            output.line(str(one.result()))
        return status


def rename(args: argparse.Namespace) -> int:
    """Give a container another name."""
    with engine.connect(args) as client:
        client.containers.rename(args.container, args.name)
    return 0


def _update(client: Client, name: str, args: argparse.Namespace) -> None:
    body = creation.update_body(args)
    if not body:
        raise values.UsageError("you must provide one or more flags when using this command")
    for warning in client.containers.update(name, body):
        output.error(f"warning: {warning}")
