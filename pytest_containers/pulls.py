"""The images that markers name, pulled in the background while pytest collects, and awaited before the first test."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from pytest_containers.client.errors import ClientError, NotFoundError
from pytest_containers.errors import ContainerError
from pytest_containers.session import engine_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_PULLS = pytest.StashKey["Pulls"]()


class Pulls:
    """Of one process; a thread for each image, which has to wait for the engine's start as anybody else."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._threads: dict[str, threading.Thread] = {}
        self._failures: dict[str, ContainerError] = {}

    def begin(self, images: Iterable[str]) -> None:
        """Pull those that nobody has asked for yet."""
        for image in images:
            if image not in self._threads:
                # A daemon: where collection fails, nobody waits for it.
                thread = threading.Thread(target=self._pull, args=(image,), name=f"pull {image}", daemon=True)
                self._threads[image] = thread
                thread.start()

    def _pull(self, image: str) -> None:
        try:
            client = engine_of(self._config).client
            try:
                client.images.inspect(image)
            except NotFoundError:
                client.images.pull(image)
        except ContainerError as error:
            self._failures[image] = error
        except ClientError as error:
            self._failures[image] = ContainerError(str(error))

    def finish(self) -> dict[str, ContainerError]:
        """Wait for all of them; what failed and why."""
        for thread in self._threads.values():
            thread.join()
        return self._failures


def of(config: pytest.Config) -> Pulls:
    """Those of the run."""
    return config.stash.setdefault(_PULLS, Pulls(config))
