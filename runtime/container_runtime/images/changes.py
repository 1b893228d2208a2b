"""``--change`` of an import: a few Dockerfile instructions applied to an image's configuration."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from container_runtime.errors import InvalidParameter
from container_runtime.images.files import as_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp|sctp))?")


def apply_changes(config: dict[str, Any], changes: Iterable[str]) -> None:
    """Change ``config`` (the "config" of an OCI image configuration) as the instructions ``changes`` say.

    Raises:
        InvalidParameter: an instruction is unknown or malformed; the message quotes it.
    """
    for change in changes:
        instruction, _, argument = change.strip().partition(" ")
        action = _ACTIONS.get(instruction.upper())
        if action is None:
            raise InvalidParameter(f"change {change!r}: {instruction!r} is not one of {', '.join(sorted(_ACTIONS))}")
        argument = argument.strip()
        if not argument:
            raise InvalidParameter(f"change {change!r}: {instruction.upper()} needs an argument")
        try:
            action(config, argument)
        except ValueError as error:
            raise InvalidParameter(f"change {change!r}: {error}") from None


def _array(argument: str) -> list[str] | None:
    if not argument.startswith("["):
        return None
    try:
        value: Any = json.loads(argument)
    except (ValueError, RecursionError):
        return None
    return [str(each) for each in as_list(value)]


def _command(key: str) -> Callable[[dict[str, Any], str], None]:
    def action(config: dict[str, Any], argument: str) -> None:
        config[key] = _array(argument) or ["/bin/sh", "-c", argument]

    return action


def _text(key: str) -> Callable[[dict[str, Any], str], None]:
    def action(config: dict[str, Any], argument: str) -> None:
        config[key] = argument

    return action


def _pairs(argument: str) -> dict[str, str]:
    words = shlex.split(argument)
    if words and "=" not in words[0]:  # the old form, one name and the rest of the line
        name, _, value = argument.partition(" ")
        return {name: value.strip()}
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"{word!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs


def _environment(config: dict[str, Any], argument: str) -> None:
    pairs = _pairs(argument)
    kept = [entry for entry in config.get("Env", []) if entry.partition("=")[0] not in pairs]
    config["Env"] = kept + [f"{name}={value}" for name, value in pairs.items()]


def _labels(config: dict[str, Any], argument: str) -> None:
    config.setdefault("Labels", {}).update(_pairs(argument))


def _ports(config: dict[str, Any], argument: str) -> None:
    for word in argument.split():
        match = _PORT.fullmatch(word)
        if match is None or not 0 < int(match[1]) < 65536:
            raise ValueError(f"{word!r} is not PORT or PORT/PROTOCOL")
        config.setdefault("ExposedPorts", {})[f"{match[1]}/{match[2] or 'tcp'}"] = {}


def _volumes(config: dict[str, Any], argument: str) -> None:
    for path in _array(argument) or argument.split():
        config.setdefault("Volumes", {})[path] = {}


_ACTIONS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "CMD": _command("Cmd"),
    "ENTRYPOINT": _command("Entrypoint"),
    "ENV": _environment,
    "EXPOSE": _ports,
    "LABEL": _labels,
    "STOPSIGNAL": _text("StopSignal"),
    "USER": _text("User"),
    "VOLUME": _volumes,
    "WORKDIR": _text("WorkingDir"),
}
