"""``images``, ``pull``, ``import``, ``tag``, ``rmi`` and ``history``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, output, values

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_containers.client.types import HistoryEntry, ImageSummary

COLUMNS = {"REPOSITORY": "Repository", "TAG": "Tag", "IMAGE ID": "ID", "CREATED": "_Created", "SIZE": "Size"}
DIGESTS = {"REPOSITORY": "Repository", "TAG": "Tag", "DIGEST": "Digest", "IMAGE ID": "ID", "CREATED": "_Created",
           "SIZE": "Size"}  # fmt: skip
HISTORY = {"IMAGE": "ID", "CREATED": "CreatedSince", "CREATED BY": "CreatedBy", "SIZE": "Size", "COMMENT": "Comment"}
STEP_WIDTH = 45
"""Characters of a step that ``history`` shows, as Docker's does."""
NONE = "<none>"
NO_TIME = -62135596800
"""The zero value of Go's time, the year 1, in seconds since 1970: what has no time of creation."""


def add_images(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``images``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="show intermediate images, too")
    add("--digests", action="store_true", help="show digests")
    add(
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help="dangling, label, reference, before, …"
    )
    add("-q", "--quiet", action="store_true", help="print ids only")
    add("--no-trunc", action="store_true", help="do not shorten ids")
    output.format_option(parser)
    add("repository", nargs="?", metavar="REPOSITORY[:TAG]", help="show this one only")
    parser.set_defaults(handler=list_images)


def add_pull(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``pull``."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print no progress")
    parser.add_argument("--platform", metavar="OS/ARCHITECTURE", help="take the image for another platform")
    parser.add_argument("image", metavar="NAME[:TAG|@DIGEST]")
    parser.set_defaults(handler=pull_image)


def add_import(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``import``."""
    add = parser.add_argument
    add("-c", "--change", action="append", default=[], metavar="INSTRUCTION", help="as in a Dockerfile: CMD, ENV, …")
    add("-m", "--message", help="what the history says about it")
    add("file", metavar="FILE|-", help="a tarball, packed or not; - is standard input")
    add("reference", nargs="?", default="", metavar="REPOSITORY[:TAG]")
    parser.set_defaults(handler=import_image)


def add_tag(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``tag``."""
    parser.add_argument("image", metavar="SOURCE_IMAGE[:TAG]")
    parser.add_argument("reference", metavar="TARGET_IMAGE[:TAG]")
    parser.set_defaults(handler=tag_image)


def add_rmi(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``rmi``."""
    parser.add_argument("-f", "--force", action="store_true", help="also where a container uses it")
    parser.add_argument("images", metavar="IMAGE", nargs="+")
    parser.set_defaults(handler=remove_images)


def add_history(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``history``."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print ids only")
    parser.add_argument("--no-trunc", action="store_true", help="do not shorten ids and steps")
    output.format_option(parser)
    parser.add_argument("image", metavar="IMAGE")
    parser.set_defaults(handler=show_history)


def list_images(args: argparse.Namespace) -> int:
    """Print the table of ``images``."""
    filters = values.filters(args.filter)
    if args.repository:
        filters.setdefault("reference", []).append(args.repository)
    with engine.connect(args) as client:
        found = client.images.list(all=args.all, filters=filters)
    if args.quiet:
        for identifier in dict.fromkeys(image.get("Id", "") for image in found):
            output.line(output.short_id(identifier, whole=args.no_trunc))
        return 0
    rows = (row for image in found for row in image_rows(image, time.time(), whole=args.no_trunc))
    output.listing(rows, DIGESTS if args.digests else COLUMNS, args.format)
    return 0


def image_rows(image: ImageSummary, now: float, *, whole: bool) -> Iterator[dict[str, str]]:
    """Yield a line for each tag, or one for an image without, in the words of docker's ``--format json``."""
    digests = dict(digest.split("@", 1) for digest in image.get("RepoDigests") or () if "@" in digest)
    created = image.get("Created", 0)
    since = output.ago(now - created) if created != NO_TIME else ""
    for tag in image.get("RepoTags") or [f"{next(iter(digests), NONE)}:{NONE}"]:
        repository, _, version = tag.rpartition(":")
        yield {
            "Containers": _known(image.get("Containers", -1)),
            "CreatedAt": output.moment(created),
            "CreatedSince": since,
            "_Created": since or "N/A",
            "Digest": digests.get(repository, NONE),
            "ID": output.short_id(image.get("Id", ""), whole=whole),
            "Repository": repository,
            "SharedSize": "N/A" if image.get("SharedSize", -1) < 0 else output.size(image.get("SharedSize", 0), 4),
            "Size": output.size(image.get("Size", 0)),
            "Tag": version,
            "UniqueSize": "N/A" if image.get("SharedSize", -1) < 0
            else output.size(image.get("Size", 0) - image.get("SharedSize", 0), 4),
            "VirtualSize": output.size(image.get("Size", 0), 4),
        }  # fmt: skip


def _known(number: int) -> str:
    return "N/A" if number < 0 else str(number)


def pull_image(args: argparse.Namespace) -> int:
    """Pull with progress; print the image's name at the end."""
    from pytest_containers.cli.pulling import pull_with_progress

    with engine.connect(args) as client:
        if args.quiet:
            client.images.pull(args.image, platform=args.platform)
        else:
            pull_with_progress(client, args.image, platform=args.platform)
    output.line(args.image)
    return 0


def import_image(args: argparse.Namespace) -> int:
    """Import a tarball and print the image's id."""
    with engine.connect(args) as client:
        try:
            identifier = client.images.import_(
                sys.stdin.buffer if args.file == "-" else args.file,
                args.reference,
                message=args.message,
                changes=args.change or None,
            )
        except OSError as error:
            raise values.UsageError(f"open {args.file}: {error.strerror}") from None
    output.line(identifier)
    return 0


def tag_image(args: argparse.Namespace) -> int:
    """Give an image another name."""
    with engine.connect(args) as client:
        client.images.tag(args.image, args.reference)
    return 0


def remove_images(args: argparse.Namespace) -> int:
    """Remove each; print what was untagged and deleted."""

    def remove(name: str) -> None:
        for step in client.images.remove(name, force=args.force):
            for word, reference in step.items():
                output.line(f"{word}: {reference}")

    with engine.connect(args) as client:
        return output.each(args.images, remove, silent=True)


def show_history(args: argparse.Namespace) -> int:
    """Print the table of ``history``."""
    with engine.connect(args) as client:
        steps = client.images.history(args.image)
    if args.quiet:
        for step in steps:
            output.line(output.short_id(step.get("Id", ""), whole=args.no_trunc))
        return 0
    output.listing((history_row(step, time.time(), whole=args.no_trunc) for step in steps), HISTORY, args.format)
    return 0


def history_row(step: HistoryEntry, now: float, *, whole: bool) -> dict[str, str]:
    """Return a step in the words of docker's ``--format json``."""
    command = " ".join(step.get("CreatedBy", "").replace("\t", " ").split(" "))
    created = step.get("Created", 0)
    return {
        "Comment": step.get("Comment", ""),
        "CreatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created)),
        "CreatedBy": command if whole else output.shortened(command, STEP_WIDTH),
        "CreatedSince": output.ago(now - created),
        "ID": output.short_id(step.get("Id", ""), whole=whole),
        "Size": output.size(step.get("Size", 0)),
    }
