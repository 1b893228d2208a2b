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
    for change in _lines(changes):
        instruction, _, argument = change.partition(" ")
        action = _ACTIONS.get(instruction.upper())
        if action is None:
            known = ", ".join(sorted(_ACTIONS))
            raise InvalidParameter(f"{instruction.upper()} is not a valid change command: {known} are")
        argument = argument.strip()
        if not argument:
            raise InvalidParameter(f"change {change!r}: {instruction.upper()} needs an argument")
        try:
            action(config, argument)
        except ValueError as error:
            raise InvalidParameter(f"change {change!r}: {error}") from None


def _lines(changes: Iterable[str]) -> Iterable[str]:
    """The instructions: each may have several, and a line that ends with a backslash goes on in the next."""
    for change in changes:
        whole = re.sub(r"\\[ \t]*\n", "", change)
        yield from (line.strip() for line in whole.split("\n") if line.strip() and not line.strip().startswith("#"))


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


def _on_build(config: dict[str, Any], argument: str) -> None:
    inner = argument.partition(" ")[0].upper()
    if inner in {"ONBUILD", "FROM", "MAINTAINER"}:
        raise ValueError(f"{inner} isn't allowed as an ONBUILD trigger")
    config["OnBuild"] = [*(config.get("OnBuild") or []), argument]


def _health_check(config: dict[str, Any], argument: str) -> None:
    found: dict[str, Any] = {}
    words = argument.split(None, 1)
    while words and words[0].startswith("--"):
        name, _, value = words[0][2:].partition("=")
        if name == "retries":
            found["Retries"] = _count(value)
        elif name in _DURATIONS:
            found[_DURATIONS[name]] = duration(value)
        else:
            raise ValueError(f"unknown flag: --{name}")
        words = words[1].split(None, 1) if len(words) > 1 else []
    kind, rest = (words[0].upper(), words[1] if len(words) > 1 else "") if words else ("", "")
    if kind == "NONE" and not rest:
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    if kind != "CMD" or not rest:
        raise ValueError("HEALTHCHECK takes NONE, or CMD and a command")
    array = _array(rest)
    config["Healthcheck"] = {"Test": ["CMD-SHELL", rest] if array is None else ["CMD", *array], **found}


_DURATIONS = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod",
              "start-interval": "StartInterval"}  # fmt: skip
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


def duration(text: str) -> int:
    """Nanoseconds of a duration as Go writes it, "1m30s" or "1.5s".

    Raises:
        ValueError: it is none, or less than a millisecond, which Docker takes for a mistake.
    """
    position, total = 0, 0.0
    while position < len(text):
        match = _DURATION.match(text, position)
        if match is None:
            break
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if not text or position < len(text):
        raise ValueError(f"invalid duration {text!r}: 1m30s is one")
    if 0 < total < 10**6:
        raise ValueError(f"duration {text!r} is less than 1ms")
    return round(total)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"--retries={text}: a whole number is expected")
    return int(text)


_ACTIONS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "CMD": _command("Cmd"),
    "ENTRYPOINT": _command("Entrypoint"),
    "ENV": _environment,
    "EXPOSE": _ports,
    "HEALTHCHECK": _health_check,
    "LABEL": _labels,
    "ONBUILD": _on_build,
    "STOPSIGNAL": _text("StopSignal"),
    "USER": _text("User"),
    "VOLUME": _volumes,
    "WORKDIR": _text("WorkingDir"),
}
