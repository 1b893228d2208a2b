"""Which of an image's builds fits: ``os/architecture[/variant]``, as containerd reads and compares them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from container_runtime.errors import InvalidParameter
from container_runtime.images.files import as_object
from container_runtime.images.model import MACHINES

if TYPE_CHECKING:
    from collections.abc import Sequence

_SYNONYMS = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm", "armel": "arm"}


class Platform(NamedTuple):
    """An operating system, a GOARCH and a variant; an empty variant is not particular."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, self))


def parse_platform(text: str | None) -> Platform:
    """The platform that ``text`` names; this machine's where it is empty.

    Raises:
        InvalidParameter: it is not one.
    """
    machine = os.uname().machine
    architecture, variant = MACHINES.get(machine, (machine, ""))
    if not text:
        return Platform("linux", architecture, variant)
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(parts):
        raise InvalidParameter(f"invalid platform {text!r}: it is written os/architecture or os/architecture/variant")
    if len(parts) == 1:
        parts = ["linux", parts[0]] if parts[0] != "linux" else ["linux", architecture]
    system, wanted, *rest = parts
    wanted = _SYNONYMS.get(wanted, wanted)
    # arm64 without a variant means v8 (containerd/platforms, "Normalization").
    return Platform(system, wanted, rest[0] if rest else "v8" if wanted == "arm64" else "")


def choose(wanted: Platform, entries: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The entry of a manifest list (each with "platform") that fits ``wanted`` best; None where none does."""
    best: tuple[int, dict[str, Any]] | None = None
    for entry in entries:
        declared = as_object(entry.get("platform"))
        if (declared.get("os"), declared.get("architecture")) != (wanted.os, wanted.architecture):
            continue
        score = _variant_score(wanted, str(declared.get("variant") or ""))
        if score is not None and (best is None or score > best[0]):
            best = (score, entry)
    return best[1] if best else None


def _variant_score(wanted: Platform, variant: str) -> int | None:
    if variant == wanted.variant:
        return 100
    if not variant or not wanted.variant:
        # amd64/v3 may not run here: take it only where it was asked for.
        return 50 if not variant or wanted.architecture != "amd64" else None
    older = variant[1:].isdigit() and wanted.variant[1:].isdigit() and int(variant[1:]) < int(wanted.variant[1:])
    return int(variant[1:]) if older else None
