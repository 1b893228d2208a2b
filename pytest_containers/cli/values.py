"""Docker's notations for the values of options, read as Docker reads them."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>[kmgtp]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def byte_count(text: str) -> int:
    """``64m``, ``1.5g``, ``4096`` in bytes, units of 1024."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ArgumentTypeError(f"bad size {text!r}: expected a number with b, k, m or g, such as 64m")
    return int(float(match["number"]) * 1024 ** _POWERS[match["unit"].lower()])


def nano_cpus(text: str) -> int:
    """``0.5`` processors in billionths."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise ArgumentTypeError(f"bad number of processors {text!r}: expected a number such as 0.5")
    return round(value * 1e9)


def environment(values: Iterable[str], own: Mapping[str, str]) -> list[str]:
    """``K=V`` as it is; ``K`` alone takes the value from our own environment and is left out where there is none."""
    return [
        item if "=" in item else f"{item}={own[item]}"
        for item in values
        if "=" in item or item in own
    ]  # fmt: skip


def labels(values: Iterable[str]) -> dict[str, str]:
    """``K=V`` or ``K``."""
    return {key: value for key, _, value in (item.partition("=") for item in values)}


def bind(text: str) -> str:
    """``SOURCE:TARGET[:OPTIONS]``; a source that begins with a dot is relative to the working directory."""
    source, colon, rest = text.partition(":")
    if not colon or not rest.startswith("/"):
        raise ArgumentTypeError(f"bad volume {text!r}: expected SOURCE:/TARGET[:ro]")
    if source.startswith("."):
        source = str(Path(source).resolve())
    return f"{source}:{rest}"


def tmpfs(values: Iterable[str]) -> dict[str, str]:
    """``/PATH[:OPTIONS]``."""
    return {path: options for path, _, options in (item.partition(":") for item in values)}


ENGINE_ERROR = 125
"""What ``docker run`` exits with when the engine, not the program, failed."""


def start_exit_code(message: str) -> int:
    """Return what ``docker run`` exits with when a start fails: 127 not found, 126 not executable, else 125."""
    text = message.lower()
    if "exec: " not in text and "chdir to cwd" not in text:
        return ENGINE_ERROR  # another file was not found: the source of a mount
    if "not found" in text or "no such file or directory" in text:
        return 127
    if "permission denied" in text or "is a directory" in text or "exec format error" in text:
        return 126
    return ENGINE_ERROR
