"""What a container writes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pytest_containers.client.errors import ClientError
from pytest_containers.errors import ContainerError, translated
from pytest_containers.handle.base import Handle
from pytest_containers.handle.logs import Logs

if TYPE_CHECKING:
    from pytest_containers.client.containers import LogStream
    from pytest_containers.handle.forward import Forwarder


_LOOKED_AT = 10_000
"""Lines from the end among which the last ones of each stream are looked for."""


def _last_lines(data: bytes, count: int) -> bytes:
    return b"".join(data.splitlines(keepends=True)[-count:]) if count else b""


class Output(Handle):
    """Its logs, so far and as they come."""

    _forwarder: Forwarder | None = None

    @functools.cached_property
    def logs(self) -> Logs:
        """``logs()``: what it wrote so far; ``logs.expect(pattern)``, ``logs.lines()``, ``logs.mark()``."""
        return Logs(self, self._what, self._patience, functools.partial(self._client.containers.follow, self.id))

    @property
    def _patience(self) -> float:
        """Seconds that is waited for something where nothing else is said."""
        return self._spec.timeout or self._engine.timeout

    def _begin_forwarding(self) -> None:
        """Log its lines from now on, if its definition says so."""
        if self._spec.log_to is not None:
            from pytest_containers.handle.forward import Forwarder

            self._end_forwarding()
            self._forwarder = Forwarder(self.output(), self._spec.log_to, self._label or self.name)

    def _end_forwarding(self) -> None:
        """It has ended: return when its last line is logged."""
        if self._forwarder is not None:
            self._forwarder.finish()
            self._forwarder = None

    def log_streams(self, *, tail: int | None = None) -> tuple[str, str]:
        """What it wrote so far to standard output and standard error; ``tail``: only the last lines of each."""
        __tracebackhide__ = True
        with translated(f"cannot read the output of container {self._what}"):
            # An engine's tail counts the lines of both streams together, and a talkative one would crowd out the last
            # words of the other.
            looked_at = "all" if tail is None else max(_LOOKED_AT, tail)
            out, err = self._client.containers.logs(self.id, tail=looked_at)
        if tail is not None:
            out, err = _last_lines(out, tail), _last_lines(err, tail)
        return out.decode(errors="replace"), err.decode(errors="replace")

    def follow(self) -> LogStream:
        """Its output from the beginning and as it comes: iterate for ``(1 or 2, bytes)``, and close it."""
        __tracebackhide__ = True
        with translated(f"cannot follow the output of container {self._what}"):
            return self._client.containers.follow(self.id)

    def output(self) -> LogStream:
        """Its output since it was last started, for waits: what an earlier life wrote makes nothing ready."""
        __tracebackhide__ = True
        with translated(f"cannot follow the output of container {self._what}"):
            return self._client.containers.follow(self.id, since=self._since)

    def last_lines(self) -> str:
        """Its last lines of both streams as the end of a message; the reason where they cannot be had."""
        try:
            out, err = self.log_streams(tail=self._engine.log_lines)
        except (ContainerError, ClientError) as error:
            return f"\n(its output cannot be read: {error})"
        parts = [f"\n--- {name} ---\n{text.rstrip()}" for name, text in (("stdout", out), ("stderr", err)) if text]
        return "".join(parts) or "; it wrote nothing"
