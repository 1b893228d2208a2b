"""What the launcher reads once: neither the kernel nor a compiled filter changes during a run."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Known:
    """Answers that are kept."""

    def __init__(self) -> None:
        self._filters: dict[str, bytes] = {}
        self._paths: dict[str, bool] = {}

    def absent(self, masked: Iterable[str]) -> frozenset[str]:
        """The masked paths that this kernel has not got."""
        for path in masked:
            if path not in self._paths:
                of_kernel = path.startswith(("/proc/", "/sys/"))
                self._paths[path] = not of_kernel or os.path.lexists(path)
        return frozenset(path for path, there in self._paths.items() if not there)

    def filter(self, path: str) -> bytes:
        """The compiled seccomp program in file ``path``; without a path, none."""
        if path and path not in self._filters:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._filters[path] = os.read(descriptor, 1 << 20)
            os.close(descriptor)
        return self._filters[path] if path else b""
