"""The life cycle of containers beyond start, stop and removal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_containers.client.http import segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_containers.client.http import Transport
    from pytest_containers.client.request_types import UpdateBody
    from pytest_containers.client.types import Pruned


class ContainerLife:
    """The part of ``client.containers`` that changes what a container is doing, what it is called and may use."""

    _transport: Transport

    def restart(self, name: str, timeout: int | None = None, signal: str | None = None) -> None:
        """Stop it as ``stop`` does, where it runs, and start it."""
        self._transport.request("POST", f"/containers/{segment(name)}/restart", query={"t": timeout, "signal": signal})

    def pause(self, name: str) -> None:
        """Freeze all of its processes; ConflictError when it does not run, or is paused already."""
        self._transport.request("POST", f"/containers/{segment(name)}/pause")

    def unpause(self, name: str) -> None:
        """Let them go on."""
        self._transport.request("POST", f"/containers/{segment(name)}/unpause")

    def rename(self, name: str, new: str) -> None:
        """Give it another name; ConflictError when another container has it."""
        self._transport.request("POST", f"/containers/{segment(name)}/rename", query={"name": new})

    def update(self, name: str, body: UpdateBody) -> list[str]:
        """Change its limits or its restart policy, also while it runs; returns the engine's warnings."""
        return (
            self._transport.request("POST", f"/containers/{segment(name)}/update", body=body).json()["Warnings"] or []
        )

    def resize(self, name: str, rows: int, columns: int) -> None:
        """Tell its terminal how large it is, in characters."""
        self._transport.request("POST", f"/containers/{segment(name)}/resize", query={"h": rows, "w": columns})

    def prune(self, filters: Mapping[str, list[str]] | None = None) -> Pruned:
        """Remove all containers that do not run."""
        query = {"filters": json.dumps(dict(filters)) if filters else None}
        return self._transport.request("POST", "/containers/prune", query=query).json()
