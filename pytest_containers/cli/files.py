"""``diff``, ``commit`` and ``export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, options, output, values

if TYPE_CHECKING:
    import argparse

KINDS = ("C", "A", "D")
"""The letter for what became of a path, by the API's number: changed, added, deleted."""


def add_diff(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``diff``."""
    output.format_option(parser)
    parser.add_argument("container", metavar="CONTAINER")
    parser.set_defaults(handler=show_changes)


def add_commit(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``commit``."""
    add = parser.add_argument
    add("-a", "--author", help="who made it")
    add("-c", "--change", action="append", default=[], metavar="INSTRUCTION", help="as in a Dockerfile: CMD, ENV, …")
    add("-m", "--message", help="what the history says about it")
    add("-p", "--pause", type=options.boolean, default=True, metavar="true|false",
        help="freeze the container meanwhile (default true)")  # fmt: skip
    add("container", metavar="CONTAINER")
    add("reference", nargs="?", metavar="REPOSITORY[:TAG]")
    parser.set_defaults(handler=commit)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``export``."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file, not to standard output")
    parser.add_argument("container", metavar="CONTAINER")
    parser.set_defaults(handler=export)


def show_changes(args: argparse.Namespace) -> int:
    """Print a line for each path that differs from the image."""
    with engine.connect(args) as client:
        for change in client.containers.changes(args.container):
            if args.format == "json":
                output.line(output.as_json(change))
            else:
                output.line(f"{KINDS[change['Kind']]} {change['Path']}")
    return 0


def commit(args: argparse.Namespace) -> int:
    """Make an image of a container and print its id."""
    from pytest_containers.client.images import split_reference

    repository, tag = split_reference(args.reference) if args.reference else (None, None)
    with engine.connect(args) as client:
        identifier = client.containers.commit(
            args.container,
            repository=repository,
            tag=tag,
            comment=args.message,
            author=args.author,
            pause=args.pause,
            changes=args.change or None,
        )
    output.line(identifier)
    return 0


def export(args: argparse.Namespace) -> int:
    """Write the container's files; a file that was begun and not finished is removed."""
    if not args.output:
        if sys.stdout.isatty():
            raise values.UsageError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        with engine.connect(args) as client, client.containers.export(args.container) as stream:
            for piece in stream:
                sys.stdout.buffer.write(piece)
        return 0
    target = Path(args.output)
    partial = target.with_name(f".{target.name}.part")
    try:
        with engine.connect(args) as client, client.containers.export(args.container) as stream:
            with partial.open("wb") as file:
                for piece in stream:
                    file.write(piece)
            partial.replace(target)
    except OSError as error:
        raise values.UsageError(f"failed to export to {target}: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return 0
