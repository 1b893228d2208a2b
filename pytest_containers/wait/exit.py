"""Ready when the container has ended: for those that do a job."""

from __future__ import annotations

import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pytest_containers.wait.base import Ended, Probe, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_containers.wait.base import Target


class _ExitProbe(Probe):
    def __init__(self, target: Target, code: int | None) -> None:
        self._code = code
        self._waiting = target.open_wait()
        self._poll = select.poll()
        self._poll.register(self._waiting.fileno(), select.POLLIN)
        self._over = False

    def check(self) -> bool:
        self.tries += 1
        if self._over or not self._poll.poll(0):
            return False
        self._over = True
        code = self._waiting.result()
        if self._code not in {None, code}:
            raise Ended
        return True

    @property
    def seen(self) -> str:
        return "it still runs"

    def readable(self) -> Iterable[int]:
        return () if self._over else (self._waiting.fileno(),)

    def last_words(self) -> Iterable[int]:
        return self.readable()

    def close(self) -> None:
        self._waiting.close()


@dataclass(frozen=True)
class Exit(Wait):
    """See ``exit``."""

    code: int | None

    def begin(self, target: Target) -> Probe:
        """Wait for the end."""
        return _ExitProbe(target, self.code)

    def __str__(self) -> str:
        return "its end" if self.code is None else f"its end with exit code {self.code}"


def exit(code: int | None = 0) -> Wait:  # noqa: A001  used as wait.exit()
    """Ready when it has ended with this exit code (128 + n: by signal n); None: with any."""
    __tracebackhide__ = True
    given = cast("object", code)
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 256):
        raise ValueError(f"wait.exit: an exit code is a number from 0 to 255, or None for any, not {code!r}")
    return Exit(code)
