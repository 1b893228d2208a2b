"""Ready when the container has written something."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_containers.client.errors import ClientError
from pytest_containers.wait.base import Probe, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_containers.wait.base import Target

Stream = Literal["stdout", "stderr"]
_NUMBERS: dict[Stream, int] = {"stdout": 1, "stderr": 2}


class _LogProbe(Probe):
    """A thread reads the output and rings an eventfd; the wait loop looks at what it found."""

    def __init__(self, target: Target, wanted: Log) -> None:
        self._wanted = wanted
        self._pattern = re.compile(wanted.text if wanted.regex else re.escape(wanted.text))
        self._number = _NUMBERS.get(wanted.stream) if wanted.stream else None
        self._stream = target.output()
        self._found = 0
        self._lines = 0
        self._last = ""
        self._failure = ""
        self._over = False
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._read, name="pytest-containers log wait", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        rest = {1: "", 2: ""}
        try:
            for number, data in self._stream:
                if self._number in (None, number):
                    *whole, rest[number] = (rest[number] + data.decode(errors="replace")).split("\n")
                    self._look(whole, rest[number])
        except ClientError as error:
            self._failure = str(error)
        else:
            for line in filter(None, rest.values()):
                self._look([line], "")
        self._over = True
        os.eventfd_write(self._bell, 1)

    def _look(self, lines: list[str], unfinished: str) -> None:
        for line in lines:
            self._lines += 1
            self._last = line
            self._found += len(self._pattern.findall(line))
        # A prompt has no end of line; it counts once, and again when its line is whole: hence not added up.
        begun = len(self._pattern.findall(unfinished)) if unfinished else 0
        if self._found + begun >= self._wanted.times:
            self._found = self._wanted.times
            os.eventfd_write(self._bell, 1)

    def check(self) -> bool:
        self.tries += 1
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        return self._found >= self._wanted.times

    @property
    def seen(self) -> str:
        if self._failure:
            return self._failure
        if not self._lines:
            return "nothing was written"
        found = f"found {self._found} of {self._wanted.times} times, " if self._wanted.times > 1 else ""
        return f"{found}{self._lines} lines, the last {self._last[:200]!r}"

    def readable(self) -> Iterable[int]:
        return () if self._over else (self._bell,)

    def last_words(self) -> Iterable[int]:
        return self.readable()

    def close(self) -> None:
        self._stream.close()
        self._thread.join()
        os.close(self._bell)


@dataclass(frozen=True)
class Log(Wait):
    """See ``log``."""

    text: str
    times: int = 1
    regex: bool = False
    stream: Stream | None = None

    def begin(self, target: Target) -> Probe:
        """Start to read."""
        return _LogProbe(target, self)

    def __str__(self) -> str:
        where = f" on {self.stream}" if self.stream else " in its output"
        often = f" {self.times} times" if self.times > 1 else ""
        return f"{self.text!r}{where}{often}"


def log(text: str, *, times: int = 1, regex: bool = False, stream: Stream | None = None) -> Wait:
    """Ready when ``text`` was written ``times`` times, each within one line.

    ``regex``: it is a regular expression (``re.search``). ``stream``: only there, ``"stdout"`` or ``"stderr"``.
    """
    __tracebackhide__ = True
    if not isinstance(text, str) or not text:  # pyright: ignore[reportUnnecessaryIsInstance]  # users have no checker
        raise TypeError(f"wait.log: the text must be a non-empty string, not {text!r}")
    if isinstance(times, bool) or times < 1:
        raise ValueError(f"wait.log: times must be a number from 1 up, not {times!r}")
    if stream not in {None, *_NUMBERS}:
        raise ValueError(f"wait.log: stream must be 'stdout' or 'stderr', not {stream!r}")
    if regex:
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"wait.log: {text!r} is no regular expression: {error}") from None
    return Log(text, times, regex, stream)
