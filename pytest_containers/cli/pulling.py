"""The progress of a pull: bars on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from pytest_containers.client import Client
    from pytest_containers.client.types import Progress


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
