"""``run`` and ``create``: a new container, in the foreground or the background."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_containers.cli import creation, engine, options, output, terminal, values
from pytest_containers.client.errors import APIError, ClientError, NotFoundError

if TYPE_CHECKING:
    import argparse

    from pytest_containers.client import Client
    from pytest_containers.client.request_types import ContainerBody


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``run``."""
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="run in the background and print the container's id")
    add(
        "--detach-keys",
        type=terminal.key_option,
        metavar="KEYS",
        help="keys that leave a terminal (default ctrl-p,ctrl-q)",
    )
    add("--sig-proxy", type=options.boolean, default=True, metavar="true|false", help="pass signals on (default true)")
    options.add_all(parser)
    parser.set_defaults(handler=run)


def add_create(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``create``."""
    options.add_all(parser)
    parser.set_defaults(handler=create)


def run(args: argparse.Namespace) -> int:
    """Run the container; return its exit code, or 125, 126, 127 as Docker's command does."""
    try:
        body = creation.container_body(args, detach=args.detach)
    except ClientError as error:
        output.error(str(error))
        return values.ENGINE_ERROR
    terminal.check(tty=body.get("Tty", False), stdin=body.get("AttachStdin", False))
    try:
        with engine.connect_or_start(args, outlives=args.detach) as client:
            container = _create(client, args, body)
            if args.detach:
                return _run_detached(client, container, args)
            return _run_attached(client, container, body, args)
    except ClientError as error:
        output.error(str(error))
        return values.ENGINE_ERROR


def create(args: argparse.Namespace) -> int:
    """Create the container and print its id."""
    with engine.connect(args) as client:
        output.line(_create(client, args, creation.container_body(args)))
    return 0


def _create(client: Client, args: argparse.Namespace, body: ContainerBody) -> str:
    if args.cidfile and Path(args.cidfile).exists():
        raise values.UsageError(
            f"container ID file found, make sure the other container isn't running or delete {args.cidfile}"
        )
    if body.get("Tty") and (size := terminal.size()):
        body.setdefault("HostConfig", {})["ConsoleSize"] = [*size]
    if args.pull == "always":
        _pull(client, args)
    try:
        answer = client.containers.create_full(body, args.name, args.platform)
    except NotFoundError as error:
        if args.pull != "missing" or "image" not in str(error).lower():
            raise
        _pull(client, args)
        answer = client.containers.create_full(body, args.name, args.platform)
    for warning in answer.get("Warnings") or ():
        output.error(f"warning: {warning}")
    if args.cidfile:
        _write_id(client, args.cidfile, answer["Id"])
    return answer["Id"]


def _pull(client: Client, args: argparse.Namespace) -> None:
    from pytest_containers.cli import pulling

    if args.quiet:
        client.images.pull(args.image, platform=args.platform)
    else:
        pulling.pull_with_progress(client, args.image, platform=args.platform, to_stderr=True)


def _write_id(client: Client, path: str, container: str) -> None:
    try:
        Path(path).write_text(container)
    except OSError as error:
        client.containers.remove(container, force=True)
        raise values.UsageError(f"failed to create the container ID file {path}: {error.strerror}") from None


def _discard(client: Client, container: str, args: argparse.Namespace) -> None:
    if _is_removed(args):
        with contextlib.suppress(APIError):  # the engine removes it as well
            client.containers.remove(container, force=True, volumes=True)


def _is_removed(args: argparse.Namespace) -> bool:
    return bool(getattr(args, "HostConfig.AutoRemove", False))


def _run_detached(client: Client, container: str, args: argparse.Namespace) -> int:
    try:
        client.containers.start(container)
    except APIError as error:
        _discard(client, container, args)
        output.error(str(error))
        return values.start_exit_code(str(error))
    output.line(container)
    return 0


def _run_attached(client: Client, container: str, body: ContainerBody, args: argparse.Namespace) -> int:
    from pytest_containers.cli import foreground
    from pytest_containers.cli.attached import Interrupted, Signals

    streams = foreground.Streams(
        tty=body.get("Tty", False), stdin=body.get("AttachStdin", False), keys=args.detach_keys
    )
    # Signals are caught before the start, so that none can end us and leave a running container behind.
    with (
        Signals() as signals,
        client.containers.attach(
            container,
            stdin=streams.stdin,
            stdout=body.get("AttachStdout", False),
            stderr=body.get("AttachStderr", False),
            detach_keys=args.detach_keys,
        ) as stream,
        client.containers.open_wait(container, "removed" if _is_removed(args) else "next-exit") as waiting,
    ):
        try:
            with streams.raw():
                client.containers.start(container)
                on_signal = foreground.stopper(client, container) if args.sig_proxy else foreground.leave
                detached = foreground.run(client, container, stream, streams, signals, on_signal)
        except APIError as error:
            _discard(client, container, args)
            output.error(str(error))
            return values.start_exit_code(str(error))
        except Interrupted as left:
            return foreground.SIGNALLED + left.number
        return 0 if detached else waiting.result()
