"""``--containers-logs``: all that each container wrote, in a file of its own."""

from __future__ import annotations

import contextlib
import hashlib
import re
import warnings
from typing import TYPE_CHECKING

from pytest_containers.client.errors import ClientError
from pytest_containers.reports.part import Part

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

NAME_LIMIT = 120
"""Characters of a directory's name: 255 bytes is the most of most filesystems, and a character may take four."""
_UNSAFE = re.compile(r"[^\w.,=@+\[\]-]+")


class Files(Part):
    """``DIRECTORY/TEST/FIXTURE-NAME.log``: a line of both streams each, with its time and stream before it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def leaving(self, engine: Engine, container: Container) -> None:
        """Write its file; where that fails, the test goes on with a warning."""
        try:
            path = self._directory / file_name(container.owner or "session") / f"{_own_name(container)}.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            if container not in engine.left:
                with contextlib.suppress(ClientError):  # it has ended by itself
                    engine.client.containers.stop(container.id, timeout=0)  # engines log an unended line at the end
            _write(engine, container, path)
        except (OSError, ClientError) as error:
            warnings.warn(f"the output of container {container!r} is not written: {error}", stacklevel=2)


def _own_name(container: Container) -> str:
    name = container.name
    return file_name(name if container.label in {"", name} else f"{container.label}-{name}")


def _write(engine: Engine, container: Container, path: Path) -> None:
    rests = {1: b"", 2: b""}
    with (
        engine.client.containers.follow(container.id, timestamps=True, follow=False) as stream,
        path.open("wb") as file,
    ):
        for number, data in stream:
            *lines, rests[number] = (rests.get(number, b"") + data).split(b"\n")
            file.writelines(_line(number, line) for line in lines)
        file.writelines(_line(number, rest) for number, rest in rests.items() if rest)


def _line(number: int, line: bytes) -> bytes:
    stamp, _, text = line.partition(b" ")
    return b"%s %s %s\n" % (stamp, b"stderr" if number == 2 else b"stdout", text.removesuffix(b"\r"))


def file_name(text: str) -> str:
    """A name for a file that is like ``text``, and another one for another text."""
    name = _UNSAFE.sub("-", text.replace("::", "--")).strip(".-") or "test"
    if name == text.replace("::", "--") and len(name) <= NAME_LIMIT:
        return name
    return f"{name[: NAME_LIMIT - 9]}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"
