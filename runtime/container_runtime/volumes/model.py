"""A volume as the engine knows it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

ANONYMOUS_LABEL = "com.docker.volume.anonymous"
"""Docker's mark of a volume that was made without a name."""


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass(eq=False)
class Volume:
    """One volume. ``path`` is what containers see; ``options`` are the local driver's type, o and device, or None."""

    name: str
    path: Path
    labels: dict[str, str] | None = None
    options: dict[str, str] | None = None
    driver: str = "local"
    created: str = field(default_factory=_now)
    users: set[str] = field(default_factory=set[str])
    """Ids of the containers, running or not, that have it."""
    mounted: set[str] = field(default_factory=set[str])
    """Ids of those that were started with it and have not ended."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is filled, mounted or unmounted."""

    @property
    def anonymous(self) -> bool:
        """Whether it was made without a name: then it is pruned without being asked for."""
        return ANONYMOUS_LABEL in (self.labels or {})

    def details(self) -> dict[str, Any]:
        """Docker's ``Volume``."""
        return {
            "CreatedAt": self.created,
            "Driver": self.driver,
            "Labels": self.labels,
            "Mountpoint": str(self.path),
            "Name": self.name,
            "Options": self.options,
            "Scope": "local",
        }
