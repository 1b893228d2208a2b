"""Frozen files of containers, which only our engine has: below ``/x-pytest-containers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.client.http import segment

if TYPE_CHECKING:
    from pytest_containers.client.http import Transport


class ContainerSnapshots:
    """The part of ``client.containers`` that is about snapshots and checkpoints; the container does not run."""

    _transport: Transport

    def freeze(self, name: str, key: str) -> None:
        """Keep its files as the snapshot ``key``, for ``create``; the container is removed."""
        path = f"/x-pytest-containers/snapshots/{segment(key)}"
        self._transport.request("POST", path, query={"container": name})

    def checkpoint(self, name: str, checkpoint: str) -> None:
        """Keep its files as they are, for ``restore``."""
        path = f"/x-pytest-containers/containers/{segment(name)}/checkpoints/{segment(checkpoint)}"
        self._transport.request("POST", path)

    def restore(self, name: str, checkpoint: str) -> None:
        """Have its files as they were."""
        path = f"/x-pytest-containers/containers/{segment(name)}/checkpoints/{segment(checkpoint)}/restore"
        self._transport.request("POST", path)
