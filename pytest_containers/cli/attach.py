"""``attach`` and ``start``: containers that exist already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.cli import engine, options, output, terminal, values
from pytest_containers.client.errors import APIError

if TYPE_CHECKING:
    import argparse

    from pytest_containers.client import Client
    from pytest_containers.client.containers import Condition
    from pytest_containers.client.types import ContainerDetails


def add_attach(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``attach``."""
    parser.add_argument("--no-stdin", action="store_true", help="do not pass standard input on")
    parser.add_argument("--sig-proxy", type=options.boolean, default=True, metavar="true|false",
                        help="pass signals on (default true)")  # fmt: skip
    _detach_keys(parser)
    parser.add_argument("container", metavar="CONTAINER")
    parser.set_defaults(handler=attach)


def add_start(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``start``."""
    parser.add_argument("-a", "--attach", action="store_true", help="show its output and pass signals on")
    parser.add_argument("-i", "--interactive", action="store_true", help="pass standard input on")
    _detach_keys(parser)
    parser.add_argument("containers", metavar="CONTAINER", nargs="+")
    parser.set_defaults(handler=start)


def _detach_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--detach-keys", type=terminal.key_option, metavar="KEYS",
                        help="keys that leave a terminal (default ctrl-p,ctrl-q)")  # fmt: skip


def attach(args: argparse.Namespace) -> int:
    """Show what a running container writes; return its exit code when it ends, 0 when it is left."""
    with engine.connect(args) as client:
        details = client.containers.inspect(args.container)
        state = details.get("State", {})
        if not state.get("Running"):
            raise values.UsageError("You cannot attach to a stopped container, start it first")
        if state.get("Paused"):
            raise values.UsageError("You cannot attach to a paused container, unpause it first")
        if state.get("Restarting"):
            raise values.UsageError("You cannot attach to a restarting container, wait until it is running")
        return _converse(client, details, args, stdin=not args.no_stdin, begin=False)


def start(args: argparse.Namespace) -> int:
    """Start each and print its name, or start one and show what it writes."""
    with engine.connect(args) as client:
        if not args.attach and not args.interactive:
            return output.each(args.containers, client.containers.start)
        if len(args.containers) > 1:
            raise values.UsageError("you cannot start and attach multiple containers at once")
        args.sig_proxy = True
        details = client.containers.inspect(args.containers[0])
        return _converse(client, details, args, stdin=args.interactive, begin=True)


def _converse(client: Client, details: ContainerDetails, args: argparse.Namespace, *, stdin: bool, begin: bool) -> int:
    from pytest_containers.cli import foreground
    from pytest_containers.cli.attached import Interrupted, Signals

    container, config = details.get("Id", ""), details.get("Config", {})
    stdin = stdin and bool(config.get("OpenStdin"))
    terminal.check(tty=config.get("Tty", False), stdin=stdin)
    streams = foreground.Streams(tty=config.get("Tty", False), stdin=stdin, keys=args.detach_keys)
    on_signal = foreground.proxy(client, container) if args.sig_proxy else foreground.leave
    with (
        Signals() as signals,
        client.containers.attach(container, stdin=stdin, detach_keys=args.detach_keys) as stream,
        client.containers.open_wait(container, _condition(details, begin=begin)) as waiting,
    ):
        try:
            with streams.raw():
                if begin:
                    client.containers.start(container)
                if foreground.run(client, container, stream, streams, signals, on_signal):
                    return 0
        except APIError as error:
            output.error(str(error))
            return values.start_exit_code(str(error)) if begin else 1
        except Interrupted as left:
            return foreground.SIGNALLED + left.number
        return waiting.result()


def _condition(details: ContainerDetails, *, begin: bool) -> Condition:
    """What is waited for: a container that is removed at its end may be gone when it is asked for its exit code."""
    if details.get("HostConfig", {}).get("AutoRemove"):
        return "removed"
    return "next-exit" if begin else "not-running"
