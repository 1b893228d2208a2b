"""Ready when a command inside the container succeeds, or a file is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pytest_containers.client.errors import ClientError
from pytest_containers.errors import ContainerError
from pytest_containers.wait.attempts import Attempts, Result, fatal
from pytest_containers.wait.base import Wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_containers.wait.attempts import Cord
    from pytest_containers.wait.base import Probe, Target


@dataclass(frozen=True)
class Command(Wait):
    """See ``command``."""

    words: tuple[str, ...]
    exit_code: int = 0
    user: str | None = None

    def begin(self, target: Target) -> Probe:
        """Start to run it."""
        return Attempts(lambda cord: self._run(target, cord), "command", "it has not ended yet")

    def __str__(self) -> str:
        return f"{' '.join(self.words)!r} ended with exit code {self.exit_code}"

    def _run(self, target: Target, cord: Cord) -> Result:
        try:
            with target.begin_exec(self.words, self.user) as running, cord.holding(running.socket):
                code, output = running.finish()
        except (ClientError, ContainerError) as error:
            if fatal(error):
                raise
            return Result(False, str(error))
        words = output.decode(errors="replace").strip()
        return Result(code == self.exit_code, f"exit code {code}{f', {words[-200:]!r}' if words else ''}")


def command(command: str | Sequence[str], *, exit_code: int = 0, user: str | None = None) -> Wait:
    """Ready when a command that is run inside it again and again ends with ``exit_code``.

    A string is split into words as a shell would, without a shell. ``user``: in place of the container's.
    """
    from pytest_containers.definition import split

    __tracebackhide__ = True
    given = cast("object", exit_code)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 256:
        raise ValueError(f"wait.command: an exit code is a number from 0 to 255, not {exit_code!r}")
    return Command(tuple(split(command, "wait.command: the command")), exit_code, user)


@dataclass(frozen=True)
class File(Wait):
    """See ``file``."""

    path: str

    def begin(self, target: Target) -> Probe:
        """Start to look."""
        return Attempts(lambda _: self._look(target), "file")

    def __str__(self) -> str:
        return f"file {self.path}"

    def _look(self, target: Target) -> Result:
        try:
            return Result(target.exists(self.path), "it is not there")
        except (ClientError, ContainerError) as error:
            if fatal(error):
                raise
            return Result(False, str(error))


def file(path: str) -> Wait:
    """Ready when there is something at this path inside it, a file, a directory or a socket.

    What an earlier start has left counts, too: a stopped container keeps its files.
    """
    __tracebackhide__ = True
    given = cast("object", path)
    if not isinstance(given, str) or not given.startswith("/") or "\0" in given:
        raise ValueError(f"wait.file: the path must be absolute, not {path!r}")
    return File(path)
