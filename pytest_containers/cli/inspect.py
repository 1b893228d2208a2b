"""``inspect``: all about objects, as the engine says it."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from pytest_containers.cli import engine, output
from pytest_containers.client.errors import APIError, NotFoundError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pytest_containers.client import Client

KINDS: dict[str, Callable[[Client, str, bool], Any]] = {
    "container": lambda client, name, size: client.containers.inspect(name, size=size),
    "image": lambda client, name, _size: client.images.inspect(name),
    "network": lambda client, name, _size: client.networks.inspect(name),
    "volume": lambda client, name, _size: client.volumes.inspect(name),
}
"""In the order in which ``inspect`` looks for a name."""


def _add(parser: argparse.ArgumentParser, *kinds: str) -> None:
    output.format_option(parser, "json: a list on one line, not indented", "-f")
    parser.add_argument("names", metavar="NAME", nargs="+")
    parser.set_defaults(handler=functools.partial(inspect, kinds), size=False, type=None)


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``inspect``."""
    _add(parser, *KINDS)
    parser.add_argument("-s", "--size", action="store_true", help="how much a container wrote, too")
    parser.add_argument("--type", choices=tuple(KINDS), help="look for this kind of object only")


def add_container(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``container inspect``."""
    _add(parser, "container")
    parser.add_argument("-s", "--size", action="store_true", help="how much it wrote, too")


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``image inspect``."""
    _add(parser, "image")


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``network inspect``."""
    _add(parser, "network")


def add_volume(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``volume inspect``."""
    _add(parser, "volume")


def inspect(kinds: tuple[str, ...], args: argparse.Namespace) -> int:
    """Print what was found, as docker does also where some was not, and return 1 then."""
    found: list[Any] = []
    problems: list[str] = []
    with engine.connect(args) as client:
        for name in args.names:
            try:
                found.append(_find(client, name, (args.type,) if args.type else kinds, args.size))
            except APIError as error:
                problems.append(str(error))
    if args.format == "json":
        output.line(output.as_json(found))
    else:
        output.line(json.dumps(found, indent=4, ensure_ascii=False))
    for problem in problems:
        output.error(problem)
    return 1 if problems else 0


def _find(client: Client, name: str, kinds: tuple[str, ...], size: bool) -> Any:
    for kind in kinds:
        try:
            return KINDS[kind](client, name, size)
        except NotFoundError:
            if len(kinds) == 1:
                raise
    raise NotFoundError(404, f"No such object: {name}")
