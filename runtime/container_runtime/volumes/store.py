"""All volumes of a run: a directory each, below the run's place for layers, and a record in memory."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from container_runtime.errors import Conflict, InvalidParameter, NotFound
from container_runtime.volumes import options as local
from container_runtime.volumes.model import ANONYMOUS_LABEL, Volume

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_LONGEST = 255  # bytes of a file name


def check_name(name: str) -> None:
    """Return where ``name`` may be that of a volume; the messages are Docker's.

    Raises:
        InvalidParameter: it may not.
    """
    if len(name) == 1:
        raise InvalidParameter(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if _NAME.fullmatch(name) is None:
        raise InvalidParameter(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    if len(name) > _LONGEST:
        raise InvalidParameter(f"create {name}: volume name is too long, {_LONGEST} characters are the most")


class VolumeStore:
    """The volumes below ``directory``, which is made with the first; all methods run on the engine's loop."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._volumes: dict[str, Volume] = {}

    def create(
        self,
        name: str = "",
        *,
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> tuple[Volume, bool]:
        """The volume with this name, and whether it is new; without a name a new anonymous one.

        What there is already is returned as it is, whatever is asked for, as Docker does.

        Raises:
            InvalidParameter: the name or the options.
            NotFound: another driver than local.
        """
        marked = dict(labels) if labels else None
        if not name:
            name = os.urandom(32).hex()
            marked = {**(labels or {}), ANONYMOUS_LABEL: ""}
        check_name(name)
        local.check_driver(driver, name)
        if name in self._volumes:
            return self._volumes[name], False
        local.check(options or {}, name)
        path = self._directory / name / "_data"
        # Parents of mode 0700: whatever a container makes in a volume, nobody else on the machine may run it.
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700)
        path.mkdir()
        path.chmod(0o755)
        volume = self._volumes[name] = Volume(name, path, marked, dict(sorted(options.items())) if options else None)
        return volume, True

    def get(self, name: str) -> Volume:
        """One volume.

        Raises:
            NotFound: there is none such.
        """
        try:
            return self._volumes[name]
        except KeyError:
            raise NotFound(f"get {name}: no such volume") from None

    def list(self) -> list[Volume]:
        """All of them, oldest first."""
        return [*self._volumes.values()]

    def remove(self, volume: Volume) -> Path:
        """Forget a volume; its name is free. Returns the directory that is left, which the caller deletes.

        Raises:
            Conflict: containers have it.
        """
        if volume.users:
            holders = ", ".join(sorted(volume.users))
            raise Conflict(f"remove {volume.name}: volume is in use - [{holders}]")
        del self._volumes[volume.name]
        # A name that no volume can have.
        trash = self._directory / f".{os.urandom(8).hex()}"
        volume.path.parent.rename(trash)
        return trash


def size(path: Path) -> int:
    """Bytes in the files below ``path``, each counted once however many names it has; what goes meanwhile is not."""
    total = 0
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(path)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        total += status.st_size
    return total
