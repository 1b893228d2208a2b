"""``run``: a container in the foreground or the background."""

from __future__ import annotations

import argparse
import contextlib
import os
import threading
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, output, values
from pytest_containers.client.errors import APIError, ClientError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_containers.cli.commands import Commands
    from pytest_containers.client import Client
    from pytest_containers.client.types import ContainerBody, HostConfig


def register(commands: Commands) -> None:
    """Add ``run`` and its options."""
    parser = commands.add_parser("run", help="create and run a new container from an image", allow_abbrev=False,
                                 usage="pytest-containers run [OPTIONS] IMAGE [COMMAND] [ARG...]")  # fmt: skip
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="run in the background and print the container's id")
    add("-i", "--interactive", action="store_true", help="pass standard input on")
    add("--rm", action="store_true", help="remove the container when it ends")
    add("--name", help="name of the container")
    add("-e", "--env", action="append", default=[], metavar="KEY[=VALUE]", help="set an environment variable")
    add("-v", "--volume", action="append", default=[], type=values.bind, metavar="SOURCE:TARGET[:ro]",
        help="mount a file or directory of this machine")  # fmt: skip
    add("--tmpfs", action="append", default=[], metavar="PATH[:OPTIONS]", help="mount an empty file system in memory")
    add("--read-only", action="store_true", help="make the root file system read-only")
    add("-w", "--workdir", help="working directory in the container")
    add("-u", "--user", help="user, or user:group, by name or number")
    add("--entrypoint", help="program in place of the image's entry point")
    add("--network", "--net", help="network, `none` or `host`")
    add("--network-alias", action="append", default=[], metavar="NAME", help="a further name in the network")
    add("--hostname", help="host name of the container")
    add("-m", "--memory", type=values.byte_count, metavar="BYTES", help="memory limit, such as 64m")
    add("--cpus", type=values.nano_cpus, metavar="NUMBER", help="limit in processors, such as 0.5")
    add("--pids-limit", type=int, metavar="NUMBER", help="limit of processes and threads")
    add("--cap-add", action="append", default=[], metavar="CAPABILITY", help="grant a capability")
    add("--cap-drop", action="append", default=[], metavar="CAPABILITY", help="take a capability away")
    add("-l", "--label", action="append", default=[], metavar="KEY[=VALUE]", help="label the container")
    add("image", metavar="IMAGE", help="image, pulled if it is not there; `host` is this machine's own system")
    add("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="program and arguments, in place of the image's")
    parser.set_defaults(handler=run)


def container_body(args: argparse.Namespace) -> ContainerBody:
    """Return the request that the options ask for."""
    body: ContainerBody = {
        "Image": args.image,
        "AttachStdin": args.interactive,
        "AttachStdout": not args.detach,
        "AttachStderr": not args.detach,
        "OpenStdin": args.interactive,
        "StdinOnce": args.interactive and not args.detach,
        "Env": values.environment(args.env, os.environ),
        "Labels": values.labels(args.label),
        "HostConfig": _host_config(args),
    }
    if args.command:
        body["Cmd"] = args.command
    if args.entrypoint is not None:
        body["Entrypoint"] = [args.entrypoint]
    if args.workdir:
        body["WorkingDir"] = args.workdir
    if args.user:
        body["User"] = args.user
    if args.hostname:
        body["Hostname"] = args.hostname
    if args.network_alias:
        body["NetworkingConfig"] = {"EndpointsConfig": {args.network or "bridge": {"Aliases": args.network_alias}}}
    return body


def _host_config(args: argparse.Namespace) -> HostConfig:
    config: HostConfig = {"AutoRemove": args.rm, "ReadonlyRootfs": args.read_only}
    if args.volume:
        config["Binds"] = args.volume
    if args.tmpfs:
        config["Tmpfs"] = values.tmpfs(args.tmpfs)
    if args.network:
        config["NetworkMode"] = args.network
    if args.memory is not None:
        config["Memory"] = args.memory
    if args.cpus is not None:
        config["NanoCpus"] = args.cpus
    if args.pids_limit is not None:
        config["PidsLimit"] = args.pids_limit
    if args.cap_add:
        config["CapAdd"] = args.cap_add
    if args.cap_drop:
        config["CapDrop"] = args.cap_drop
    return config


def run(args: argparse.Namespace) -> int:
    """Run the container; return its exit code, or 125, 126, 127 as Docker's command does."""
    try:
        with engine.connect_or_start(args, outlives=args.detach) as client:
            container = _create(client, args)
            return (_run_detached if args.detach else _run_attached)(client, container, args)
    except ClientError as error:
        output.error(str(error))
        return values.ENGINE_ERROR


def _create(client: Client, args: argparse.Namespace) -> str:
    body = container_body(args)
    try:
        answer = client.containers.create_full(body, args.name)
    except NotFoundError as error:
        if "image" not in str(error).lower():
            raise
        from pytest_containers.cli import images

        images.pull_with_progress(client, args.image, to_stderr=True)
        answer = client.containers.create_full(body, args.name)
    for warning in answer.get("Warnings") or ():
        output.error(f"warning: {warning}")
    return answer["Id"]


def _discard(client: Client, container: str, args: argparse.Namespace) -> None:
    if args.rm:
        with contextlib.suppress(APIError):  # the engine removes it as well
            client.containers.remove(container, force=True)


def _run_detached(client: Client, container: str, args: argparse.Namespace) -> int:
    try:
        client.containers.start(container)
    except APIError as error:
        _discard(client, container, args)
        output.error(str(error))
        return values.start_exit_code(str(error))
    output.line(container)
    return 0


def _run_attached(client: Client, container: str, args: argparse.Namespace) -> int:
    from pytest_containers.cli.attached import Session, Signals

    # Signals are caught before the start, so that none can end us and leave a running container behind.
    with (
        Signals() as signals,
        client.containers.attach(container, stdin=args.interactive) as stream,
        client.containers.open_wait(container, "removed" if args.rm else "next-exit") as waiting,
    ):
        try:
            client.containers.start(container)
        except APIError as error:
            _discard(client, container, args)
            output.error(str(error))
            return values.start_exit_code(str(error))
        stdin = 0 if args.interactive else None
        try:
            Session(stream, stdin=stdin, signals=signals, on_signal=_stopper(client, container)).run()
        except BrokenPipeError:  # the reader of our output went away: so does the program that writes it
            output.silence()
            with contextlib.suppress(ClientError):  # it may have ended by itself
                client.containers.kill(container)
        return waiting.result()


def _stopper(client: Client, container: str) -> Callable[[int], None]:
    """Return what a signal to us does: the first one stops the container in order, the next kills it.

    In a thread of its own, because the container's last words are to be shown meanwhile.
    """
    asked = threading.Event()

    def act(kill: bool) -> None:
        with contextlib.suppress(ClientError):  # it may have ended by itself
            if kill:
                client.containers.kill(container)
            else:
                client.containers.stop(container)

    def on_signal(_number: int) -> None:
        threading.Thread(target=act, args=(asked.is_set(),), name="stop").start()
        asked.set()

    return on_signal
