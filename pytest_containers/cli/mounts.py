"""Docker's notations for mounts: ``-v``, ``--mount``, ``--tmpfs``."""

from __future__ import annotations

import csv
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_containers.cli import values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_containers.client.request_types import Mount

_NAMES = {"source": "Source", "src": "Source", "target": "Target", "dst": "Target", "destination": "Target",
          "type": "Type", "readonly": "ReadOnly", "ro": "ReadOnly", "consistency": "Consistency"}  # fmt: skip
_FLAGS = frozenset({"ReadOnly", "NoCopy", "NonRecursive"})
_TRUE, _FALSE = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})


def volume(text: str) -> str:
    """``SOURCE:TARGET[:OPTIONS]`` or ``TARGET``; a source that begins with a dot is relative to where we are."""
    source, colon, rest = text.partition(":")
    if not (rest if colon else source).startswith("/") or (colon and not source):
        raise ArgumentTypeError(f"bad volume {text!r}: expected SOURCE:/TARGET[:ro] or /TARGET")
    if not colon:
        return source
    if source.startswith("."):
        source = str(Path(source).resolve())
    return f"{source}:{rest}"


def tmpfs(options: Iterable[str]) -> dict[str, str]:
    """``/PATH[:OPTIONS]``."""
    return {path: options for path, _, options in (item.partition(":") for item in options)}


def mount(text: str) -> Mount:
    """Read ``type=bind,source=…,target=…,readonly``; the fields are those of docker's ``--mount``."""
    found: dict[str, Any] = {"Type": "volume"}
    try:
        (fields,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise ArgumentTypeError(f"bad mount {text!r}: {error}") from None
    for field in fields:
        key, equals, value = field.strip().partition("=")
        key = key.lower()
        if key in _NAMES:
            name = _NAMES[key]
            found[name] = _flag(value, equals, text) if name in _FLAGS else value
        elif key in _OPTIONS:
            kind, option, read = _OPTIONS[key]
            inner = found.setdefault(f"{kind}Options", {})
            read(inner, option, value if equals else "true", text)
        else:
            raise ArgumentTypeError(f"bad mount {text!r}: unexpected key '{key}'")
    if not found.get("Target"):
        raise ArgumentTypeError(f"bad mount {text!r}: target is required")
    if found["Type"] == "bind" and found.get("Source", "").startswith("."):
        found["Source"] = str(Path(found["Source"]).resolve())
    return found  # pyright: ignore[reportReturnType]  # built from the table, which has the API's names


def _flag(value: str, equals: str, text: str) -> bool:
    if not equals or value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ArgumentTypeError(f"bad mount {text!r}: {value!r} is neither true nor false")


def _text(inner: dict[str, Any], name: str, value: str, _text: str) -> None:
    inner[name] = value


def _switch(inner: dict[str, Any], name: str, value: str, text: str) -> None:
    inner[name] = _flag(value, "=", text)


def _size(inner: dict[str, Any], name: str, value: str, _text: str) -> None:
    inner[name] = values.byte_count(value)


def _mode(inner: dict[str, Any], name: str, value: str, text: str) -> None:
    try:
        inner[name] = int(value, 8)
    except ValueError:
        raise ArgumentTypeError(f"bad mount {text!r}: {value!r} is no octal mode") from None


def _pair(inner: dict[str, Any], name: str, value: str, _text: str) -> None:
    key, _, item = value.partition("=")
    inner.setdefault(name, {})[key] = item


def _driver(inner: dict[str, Any], _name: str, value: str, _text: str) -> None:
    inner.setdefault("DriverConfig", {})["Name"] = value


def _driver_option(inner: dict[str, Any], _name: str, value: str, text: str) -> None:
    _pair(inner.setdefault("DriverConfig", {}), "Options", value, text)


def _recursive(inner: dict[str, Any], _name: str, value: str, text: str) -> None:
    """``enabled``, ``disabled``, ``writable``, ``readonly``: how read-only reaches what is mounted below."""
    names = {"enabled": None, "disabled": "NonRecursive", "writable": "ReadOnlyNonRecursive",
             "readonly": "ReadOnlyForceRecursive"}  # fmt: skip
    if value not in names:
        raise ArgumentTypeError(f"bad mount {text!r}: bind-recursive is one of {', '.join(names)}")
    if name := names[value]:
        inner[name] = True


_OPTIONS: dict[str, tuple[str, str, Callable[[dict[str, Any], str, str, str], None]]] = {
    "bind-propagation": ("Bind", "Propagation", _text),
    "bind-nonrecursive": ("Bind", "NonRecursive", _switch),
    "bind-recursive": ("Bind", "", _recursive),
    "volume-nocopy": ("Volume", "NoCopy", _switch),
    "volume-subpath": ("Volume", "Subpath", _text),
    "volume-label": ("Volume", "Labels", _pair),
    "volume-driver": ("Volume", "", _driver),
    "volume-opt": ("Volume", "", _driver_option),
    "tmpfs-size": ("Tmpfs", "SizeBytes", _size),
    "tmpfs-mode": ("Tmpfs", "Mode", _mode),
}
"""What only one type of mount has: the field of the API, and how the value gets there."""
