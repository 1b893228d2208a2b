"""A container in the foreground: what ``run``, ``start -a``, ``attach`` and ``exec`` have in common."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

from pytest_containers.cli import output, terminal
from pytest_containers.cli.attached import Interrupted, Session, Signals
from pytest_containers.client.errors import APIError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_containers.client import Client
    from pytest_containers.client.hijack import RawStream

SIGNALLED = 128
"""And the signal's number, as shells have it."""


class Streams:
    """What of a program's streams is ours."""

    def __init__(self, *, tty: bool, stdin: bool, keys: str | None = None) -> None:
        self.tty = tty
        self.stdin = stdin
        self.keys = keys

    def raw(self) -> contextlib.AbstractContextManager[None]:
        """Our terminal is the container's while this is entered."""
        return terminal.raw(wanted=self.tty and self.stdin)

    def session(
        self, stream: RawStream, signals: Signals, on_signal: Callable[[int], None], resize: Callable[[int, int], None]
    ) -> Session:
        """Return what moves the bytes; ``resize`` is called with rows and columns at once, and when they change."""

        def fit() -> None:
            if self.tty and (size := terminal.size()):
                with contextlib.suppress(APIError):  # it may have ended, or not have begun
                    resize(*size)

        def act(number: int) -> None:
            if number == signal.SIGWINCH:
                fit()
            else:
                on_signal(number)

        fit()
        return Session(
            stream,
            stdin=0 if self.stdin else None,
            signals=signals,
            on_signal=act,
            detach_keys=terminal.keys(self.keys or terminal.DEFAULT_KEYS) if self.tty and self.stdin else b"",
        )


def run(
    client: Client,
    container: str,
    stream: RawStream,
    streams: Streams,
    signals: Signals,
    on_signal: Callable[[int], None],
) -> bool:
    """Move bytes until the container's output ends; return whether it was left running by the detach keys."""

    def resize(rows: int, columns: int) -> None:
        client.containers.resize(container, rows, columns)

    session = streams.session(stream, signals, on_signal, resize)
    try:
        session.run()
    except BrokenPipeError:  # the reader of our output went away: so does the program that writes it
        output.silence()
        with contextlib.suppress(ClientError):  # it may have ended by itself
            client.containers.kill(container)
    return session.detach_typed and is_running(client, container)


def is_running(client: Client, container: str) -> bool:
    """Whether it exists and runs."""
    try:
        return bool(client.containers.inspect(container).get("State", {}).get("Running"))
    except APIError:
        return False


def stopper(client: Client, container: str) -> Callable[[int], None]:
    """Return what a signal to us does: the first one stops the container in order, the next kills it.

    In a thread of its own, because the container's last words are to be shown meanwhile.
    """
    asked = threading.Event()

    def act(kill: bool) -> None:
        with contextlib.suppress(ClientError):  # it may have ended by itself
            if kill:
                client.containers.kill(container)
            else:
                client.containers.stop(container)

    def on_signal(_number: int) -> None:
        threading.Thread(target=act, args=(asked.is_set(),), name="stop").start()
        asked.set()

    return on_signal


def proxy(client: Client, container: str) -> Callable[[int], None]:
    """Return what passes a signal to us on to the container."""

    def on_signal(number: int) -> None:
        with contextlib.suppress(APIError):  # it may have ended by itself
            client.containers.kill(container, signal.Signals(number).name)

    return on_signal


def leave(number: int) -> None:
    """End us by the signal and leave the container alone: ``--sig-proxy=false``."""
    raise Interrupted(number)
