"""``--containers-follow``: what containers write is on the terminal as it comes, even while pytest captures output."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from pytest_containers.client.errors import ClientError
from pytest_containers.errors import ContainerError
from pytest_containers.reports.part import Part

if TYPE_CHECKING:
    from pytest_containers.client.containers import LogStream
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

END_LIMIT = 5.0
"""Seconds that the last lines may take after the container's end; the engine ends the output right after it."""


class Follow(Part):
    """A thread for each container, which sleeps until it writes.

    ``terminal``: a descriptor of our own, made before pytest captures output.
    """

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._lock = threading.Lock()
        self._begun = False
        self._threads: dict[str, tuple[threading.Thread, LogStream]] = {}

    def started(self, engine: Engine, container: Container) -> None:
        """Follow it from this start on."""
        if container.silent:
            return
        self.left(engine, container)
        try:
            stream = container.output()
        except ContainerError:  # it has been removed already
            return
        who = container.label or container.name
        thread = threading.Thread(target=self._read, args=(stream, who), name=f"follow {who}", daemon=True)
        self._threads[container.id] = thread, stream
        thread.start()

    def _read(self, stream: LogStream, who: str) -> None:
        from pytest_containers.handle.logs import Lines

        lines = Lines()
        try:
            for number, data in stream:
                self._print([f"{who} | {line.text}" for line in lines.feed(number, data) if line.whole])
        except ClientError as error:
            self._print([f"{who} | (its output cannot be followed: {error})"])
        self._print([f"{who} | {line.text}" for line in lines.unfinished()])

    def _print(self, lines: list[str]) -> None:
        if not lines:
            return
        with self._lock:
            # pytest's line of dots is not ended: the first of our lines begins a new one.
            text = "".join(f"{line}\n" for line in lines)
            data = (text if self._begun else f"\n{text}").encode(errors="replace")
            self._begun = True
            while data:
                try:
                    data = data[os.write(self._terminal, data) :]
                except OSError:  # the terminal has gone, or its reader
                    return

    def left(self, engine: Engine, container: Container) -> None:
        """Return when its last line is written."""
        del engine
        thread, stream = self._threads.pop(container.id, (None, None))
        if thread is not None and stream is not None:
            thread.join(END_LIMIT)
            stream.close()
            thread.join()

    def close(self) -> None:
        """Let go of the terminal."""
        for thread, stream in self._threads.values():
            stream.close()
            thread.join()
        os.close(self._terminal)
