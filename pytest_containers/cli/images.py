"""``images`` and ``pull``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pytest_containers.cli import engine, output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import TextIO

    from pytest_containers.cli.commands import Commands
    from pytest_containers.client import Client
    from pytest_containers.client.types import ImageSummary, Progress

HEADER = ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE")


def register(commands: Commands) -> None:
    """Add the commands."""
    images = commands.add_parser("images", help="list images", allow_abbrev=False)
    images.add_argument("-q", "--quiet", action="store_true", help="print ids only")
    images.add_argument("--no-trunc", action="store_true", help="do not shorten ids")
    images.set_defaults(handler=list_images)

    pull = commands.add_parser("pull", help="fetch an image from a registry", allow_abbrev=False)
    pull.add_argument("-q", "--quiet", action="store_true", help="print no progress")
    pull.add_argument("--platform", metavar="OS/ARCHITECTURE", help="take the image for another platform")
    pull.add_argument("image", metavar="NAME[:TAG|@DIGEST]")
    pull.set_defaults(handler=pull_image)


def list_images(args: argparse.Namespace) -> int:
    """Print the table of ``images``."""
    with engine.connect(args) as client:
        found = client.images.list()
    if args.quiet:
        for identifier in dict.fromkeys(image.get("Id", "") for image in found):
            output.line(output.short_id(identifier, whole=args.no_trunc))
        return 0
    rows = (row for image in found for row in image_rows(image, time.time(), whole=args.no_trunc))
    output.line(output.table(HEADER, rows))
    return 0


def image_rows(image: ImageSummary, now: float, *, whole: bool) -> Iterator[tuple[str, ...]]:
    """Yield a line for each tag, or one for an image without; the columns are those of ``HEADER``."""
    digests = [digest.partition("@")[0] for digest in image.get("RepoDigests") or ()]
    for tag in image.get("RepoTags") or [f"{(digests or ['<none>'])[0]}:<none>"]:
        repository, _, version = tag.rpartition(":")
        yield (
            repository,
            version,
            output.short_id(image.get("Id", ""), whole=whole),
            output.age(now - image.get("Created", 0)) + " ago",
            output.size(image.get("Size", 0)),
        )


def pull_image(args: argparse.Namespace) -> int:
    """Pull with progress; print the image's name at the end."""
    with engine.connect(args) as client:
        if args.quiet:
            client.images.pull(args.image, platform=args.platform)
        else:
            pull_with_progress(client, args.image, platform=args.platform)
    output.line(args.image)
    return 0


def pull_with_progress(client: Client, image: str, *, platform: str | None = None, to_stderr: bool = False) -> None:
    """Pull and show how it goes: bars on a terminal, a line for each step elsewhere."""
    target = sys.stderr if to_stderr else sys.stdout
    if target.isatty():
        _pull_with_bars(client, image, platform, target)
        return
    seen: set[tuple[str, str]] = set()

    def show(step: Progress) -> None:
        key = step.get("id", ""), step.get("status", "")
        if key not in seen:  # each step of a layer once, not each of its thousand progress reports
            seen.add(key)
            target.write(": ".join(part for part in key if part) + "\n")
            target.flush()

    client.images.pull(image, show, platform=platform)


def _pull_with_bars(client: Client, image: str, platform: str | None, target: TextIO) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Bars(*columns, console=Console(file=target)) as bars:
        tasks = {"": bars.add_task(image, total=None)}

        def show(step: Progress) -> None:
            layer, detail = step.get("id", ""), step.get("progressDetail") or {}
            if not layer or "total" not in detail:
                bars.update(tasks.get(layer, tasks[""]), description=f"{layer or image} {step.get('status', '')}")
                return
            task = tasks.get(layer)
            if task is None:
                task = tasks[layer] = bars.add_task(layer, total=None)
            bars.update(
                task,
                description=f"{layer} {step.get('status', '')}",
                completed=detail.get("current", 0),
                total=detail["total"],
            )

        client.images.pull(image, show, platform=platform)
        bars.update(tasks[""], total=1, completed=1)
