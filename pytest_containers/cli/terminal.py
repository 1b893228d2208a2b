"""Our own terminal: raw mode, its size, and the keys that leave a container's."""

from __future__ import annotations

import contextlib
import os
import termios
import tty
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from pytest_containers.cli.values import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator

DEFAULT_KEYS = "ctrl-p,ctrl-q"
_CONTROLS = {chr(code + 0x60): code for code in range(1, 27)} | {
    "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31,
}  # fmt: skip


def check(*, tty: bool, stdin: bool) -> None:
    """Raise UsageError where a terminal is wanted for input, and our input is none."""
    if tty and stdin and not os.isatty(0):
        raise UsageError("the input device is not a TTY")


def size() -> tuple[int, int] | None:
    """Return rows and columns of the terminal that our output goes to; None where it goes elsewhere."""
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        return None
    return (rows, columns) if rows and columns else None


@contextlib.contextmanager
def raw(*, wanted: bool) -> Generator[None]:
    """Pass every key on as it is, Ctrl-C included, while this is entered; nothing where our input is no terminal."""
    if not wanted or not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0, termios.TCSANOW)  # what was typed already is for the container
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def keys(text: str) -> bytes:
    """Read ``ctrl-p,ctrl-q`` or ``a,b``: what is typed to leave a container's terminal, as the API has it."""
    found = bytearray()
    for key in text.split(","):
        control = key.lower().removeprefix("ctrl-")
        if len(key) == 1 and key.isascii():
            found += key.encode()
        elif key.lower().startswith("ctrl-") and control in _CONTROLS:
            found.append(_CONTROLS[control])
        else:
            raise ArgumentTypeError(f"unknown key {key!r}: expected a character or ctrl-, such as ctrl-p,ctrl-q")
    return bytes(found)


def key_option(text: str) -> str:
    """Check the value of ``--detach-keys``, which goes to the engine as it is."""
    keys(text)
    return text
