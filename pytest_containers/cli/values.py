"""Docker's notations for the values of options, read as Docker reads them."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_containers.client.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_containers.client.request_types import Device, RestartPolicy, Ulimit

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


def extra_host(text: str) -> str:
    """``NAME:ADDRESS`` or ``NAME=ADDRESS``, IPv6 in brackets or not; as the API has it, with a colon."""
    name, separator, address = text.partition("=") if "=" in text else text.partition(":")
    if not name or not separator or not address:
        raise ArgumentTypeError(f"bad host {text!r}: expected NAME:ADDRESS")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    return f"{name}:{address}"


def byte_count_or_unlimited(text: str) -> int:
    """Return a size, or -1."""
    return -1 if text == "-1" else byte_count(text)


def restart_policy(text: str) -> RestartPolicy:
    """``no``, ``always``, ``unless-stopped``, ``on-failure[:TIMES]``."""
    name, colon, times = text.partition(":")
    if name not in {"", "no", "always", "unless-stopped", "on-failure"}:
        raise ArgumentTypeError(f"bad restart policy {text!r}: expected no, on-failure[:times], always, unless-stopped")
    if colon and not (name == "on-failure" and times.isascii() and times.isdigit()):
        raise ArgumentTypeError(f"bad restart policy {text!r}: only on-failure has a number of times, as on-failure:3")
    return {"Name": name or "no", "MaximumRetryCount": int(times or 0)}


def ulimit(text: str) -> Ulimit:
    """``NAME=SOFT[:HARD]``; -1 is unlimited."""
    match = re.fullmatch(r"([a-z]+)=(-?[0-9]+)(?::(-?[0-9]+))?", text)
    if not match:
        raise ArgumentTypeError(f"bad ulimit {text!r}: expected NAME=SOFT[:HARD], such as nofile=1024")
    return {"Name": match[1], "Soft": int(match[2]), "Hard": int(match[3] or match[2])}


def device(text: str) -> Device:
    """``PATH[:PATH][:rwm]``."""
    first, *rest = text.split(":")
    rights = "rwm"
    if rest and re.fullmatch("[rwm]{1,3}", rest[-1]):
        rights = rest.pop()
    if len(rest) > 1 or not first.startswith("/") or not all(path.startswith("/") for path in rest):
        raise ArgumentTypeError(f"bad device {text!r}: expected PATH[:PATH][:rwm], such as /dev/fuse")
    return {"PathOnHost": first, "PathInContainer": rest[0] if rest else first, "CgroupPermissions": rights}


def file_lines(path: str, own: Mapping[str, str] | None) -> list[str]:
    """Return the ``KEY=VALUE`` lines of a file; ``own``: where a variable alone takes its value from.

    Without ``own`` a key alone stays one (labels). Comments and empty lines are left out, as docker does
    (cli/opts/file.go).

    Raises:
        UsageError: the file cannot be read, is no UTF-8, or names a key with blanks in it.
    """
    try:
        content = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"open {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8") from None
    found: list[str] = []
    for line in content.split("\n"):
        text = line.removesuffix("\r").lstrip()
        if not text or text.startswith("#"):
            continue
        key, equals, _ = text.partition("=")
        if not key or re.search(r"\s", key):
            raise UsageError(f"{path}: bad line {text!r}: expected KEY=VALUE")
        if equals or own is None:
            found.append(text)
        elif key in own:
            found.append(f"{key}={own[key]}")
    return found


def filters(items: Iterable[str]) -> dict[str, list[str]]:
    """``KEY=VALUE``, several of them, as the API has them; raises UsageError."""
    found: dict[str, list[str]] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f'invalid argument {item!r} for "--filter": expected KEY=VALUE')
        found.setdefault(key.strip().lower(), []).append(value.strip())
    return found


class UsageError(ClientError):
    """Options that are each well formed do not fit together, or a file that one names cannot be used."""


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
