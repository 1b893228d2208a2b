"""A container's lines in Python's logging, while it runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_containers.client.errors import ClientError
from pytest_containers.handle.logs import Lines

if TYPE_CHECKING:
    import logging

    from pytest_containers.client.containers import LogStream
    from pytest_containers.handle.logs import Line

END_LIMIT = 5.0
"""Seconds that the last lines may take after the container's end; the engine ends the output right after it."""


class Forwarder:
    """A thread that reads an output and logs it, until the output ends.

    Records have the attributes ``container`` (its name in the test) and ``stream`` (``stdout`` or ``stderr``).
    """

    def __init__(self, output: LogStream, logger: logging.Logger, container: str) -> None:
        self._output = output
        self._logger = logger
        self._container = container
        self._thread = threading.Thread(target=self._read, name=f"log of {container}", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        lines = Lines()
        try:
            for stream, data in self._output:
                for line in lines.feed(stream, data):
                    if line.whole:
                        self._log(line)
        except ClientError as error:
            self._logger.warning("the output of container %s cannot be followed: %s", self._container, error)
        for line in lines.unfinished():
            self._log(line)

    def _log(self, line: Line) -> None:
        more = {"container": self._container, "stream": "stderr" if line.stream == 2 else "stdout"}
        self._logger.info("%s", line.text, extra=more)

    def finish(self) -> None:
        """The container has ended: return when its last line is logged."""
        self._thread.join(END_LIMIT)
        self._output.close()
        self._thread.join()
