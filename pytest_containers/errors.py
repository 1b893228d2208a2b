"""What a test can catch, and how an engine's errors become it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.client.errors import ClientError

if TYPE_CHECKING:
    from types import TracebackType


class ContainerError(Exception):
    """A container, a network or an image could not be had or used; the message is for people."""


class NoHostImage(ContainerError):
    """The machine's own files are wanted of an engine that has no such image; the engine's address is given."""

    def __init__(self, url: str) -> None:
        words = "only our own engine has it, this machine's files (--containers-engine=embedded); name another image"
        super().__init__(f"{url} has no image 'host': {words}")


class ContainerExited(ContainerError):
    """A container ended while something else was awaited of it.

    ``exit_code`` as Docker has it (128 + n for signal n); ``oom_killed`` where the kernel did it for want of memory.
    """

    def __init__(self, message: str, exit_code: int, *, oom_killed: bool) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.oom_killed = oom_killed


class WaitTimeout(ContainerError, TimeoutError):
    """What was awaited did not come in time."""


class NoEngine(ContainerError):
    """There is no engine, or it does not answer; ``skip``: tests that need one are skipped."""

    def __init__(self, message: object, *, skip: bool = False) -> None:
        super().__init__(message)
        self.skip = skip


class NoSnapshot(ContainerError):
    """There is none under this key yet."""


class translated:  # noqa: N801  read as words: with translated("cannot start …")
    """Inside it an engine's error is raised again as ContainerError, which says first what was wanted.

    A class and not contextlib's decorator: no frame of ours or contextlib's shows in the user's traceback.
    """

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Translate what was raised."""
        __tracebackhide__ = True
        if isinstance(error, ClientError):
            raise ContainerError(f"{self._wanted}: {error}{_if_full(str(error))}") from None


def _if_full(message: str) -> str:
    """What to do about a full disk of the engine, where it does not say so itself."""
    if "no space left on device" not in message.lower() or "free some" in message:
        return ""
    return (
        "; the engine's disk is full: free some space where it keeps images and containers (`df`, `docker system df`)"
    )
