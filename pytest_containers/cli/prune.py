"""``prune`` of containers, images, networks, volumes, and of all together."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, output, values

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pytest_containers.client import Client
    from pytest_containers.client.types import Pruned

    Filters = dict[str, list[str]]
    Prune = Callable[[Client, Filters, argparse.Namespace], Pruned]

DELETED = {"ContainersDeleted": "Deleted Containers:", "NetworksDeleted": "Deleted Networks:",
           "VolumesDeleted": "Deleted Volumes:", "ImagesDeleted": "Deleted Images:"}  # fmt: skip


def _add(parser: argparse.ArgumentParser, what: Callable[[argparse.Namespace], list[str]], *prunes: Prune) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="do not ask")
    parser.add_argument("--filter", action="append", default=[], metavar="KEY=VALUE", help="until=…, label=…, label!=…")
    output.format_option(parser)
    parser.set_defaults(handler=functools.partial(_prune, what, prunes))


def add_containers(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``container prune``."""
    _add(parser, lambda _args: ["all stopped containers"], _containers)


def add_images(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``image prune``."""
    parser.add_argument("-a", "--all", action="store_true", help="all that no container uses, not only those untagged")
    _add(parser, lambda args: [_images_words(args)], _images)


def add_networks(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``network prune``."""
    _add(parser, lambda _args: ["all networks not used by at least one container"], _networks)


def add_volumes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``volume prune``."""
    parser.add_argument("-a", "--all", action="store_true", help="all that no container has, not only anonymous ones")
    _add(parser, lambda args: [_volumes_words(args)], _volumes)


def add_system(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``system prune``."""
    parser.add_argument("-a", "--all", action="store_true", help="all images that nothing uses, with a tag or not")
    parser.add_argument("--volumes", action="store_true", help="anonymous volumes, too")

    def what(args: argparse.Namespace) -> list[str]:
        words = ["all stopped containers", "all networks not used by at least one container"]
        if args.volumes:
            words.append("all anonymous volumes not used by at least one container")
        return [*words, _images_words(args)]

    def anonymous(client: Client, filters: Filters, args: argparse.Namespace) -> Pruned:
        if not args.volumes:
            return {}
        return client.volumes.prune({key: value for key, value in filters.items() if key != "until"})

    _add(parser, what, _containers, _networks, anonymous, _images)


def _images_words(args: argparse.Namespace) -> str:
    return "all images without at least one container associated to them" if args.all else "all dangling images"


def _volumes_words(args: argparse.Namespace) -> str:
    kind = "all" if args.all else "anonymous"
    return f"{kind} local volumes not used by at least one container"


def _containers(client: Client, filters: Filters, _args: argparse.Namespace) -> Pruned:
    return client.containers.prune(filters)


def _images(client: Client, filters: Filters, args: argparse.Namespace) -> Pruned:
    return client.images.prune({**filters, "dangling": ["false" if args.all else "true"]})


def _networks(client: Client, filters: Filters, _args: argparse.Namespace) -> Pruned:
    return client.networks.prune(filters)


def _volumes(client: Client, filters: Filters, args: argparse.Namespace) -> Pruned:
    return client.volumes.prune({**filters, "all": ["true"]} if args.all else filters)


def _prune(what: Callable[[argparse.Namespace], list[str]], prunes: tuple[Prune, ...], args: argparse.Namespace) -> int:
    """Ask, remove, and print what was removed."""
    filters = values.filters(args.filter)
    if not args.force and not _agreed(what(args)):
        return 0
    reclaimed = 0
    with engine.connect(args) as client:
        answers = [prune(client, filters, args) for prune in prunes]
    for answer in answers:
        reclaimed += answer.get("SpaceReclaimed", 0)
        if args.format == "json":
            output.line(output.as_json(answer))
        else:
            _tell(answer)
    if args.format != "json":
        output.line(f"Total reclaimed space: {output.size(reclaimed, 4)}")
    return 0


def _agreed(what: list[str]) -> bool:
    lines = ["WARNING! This will remove:", *(f"  - {words}" for words in what), "", ""]
    sys.stdout.write("\n".join(lines) + "Are you sure you want to continue? [y/N] ")
    sys.stdout.flush()
    agreed = sys.stdin.readline().strip().lower() in {"y", "yes"}
    if not sys.stdin.isatty():
        output.line("")
    return agreed


def _tell(answer: Pruned) -> None:
    for field, heading in DELETED.items():
        deleted: list[str] | list[dict[str, str]] = answer.get(field) or []  # pyright: ignore[reportAssignmentType]
        if not deleted:
            continue
        output.line(heading)
        for one in deleted:
            if isinstance(one, dict):
                for word, reference in one.items():
                    output.line(f"{word.lower()}: {reference}")
            else:
                output.line(one)
        output.line("")
