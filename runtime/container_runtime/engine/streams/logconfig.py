"""``HostConfig.LogConfig``: which logging drivers there are, and what their options mean.

Our files are the same for all of them (``logfile``). Sources: moby daemon/logger/jsonfilelog, daemon/logger/local and
daemon/logger/loginfo.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote_plus

from container_runtime.engine.streams.logfile import MAX_FILES, MAX_SIZE
from container_runtime.errors import InvalidParameter, NotImplementedHere

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT = "json-file"
NONE = "none"
_OTHERS = frozenset("syslog journald gelf fluentd awslogs splunk etwlogs gcplogs".split())
_SIZES = frozenset("max-size max-file compress".split())
_ATTRIBUTES = frozenset("labels labels-regex env env-regex tag".split())
_GENERIC = frozenset("mode max-buffer-size".split())  # of every driver; ours never block, so both are the same
_OPTIONS = {DEFAULT: _SIZES | _ATTRIBUTES | _GENERIC, "local": _SIZES | _GENERIC}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE)  # go-units, RAMInBytes
_TEMPLATE = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
_UNREAD = 1_000_000  # bytes that are kept where nobody may read them later


class LogConfig(NamedTuple):
    """The options of a container, understood."""

    driver: str
    max_size: int
    """Bytes of a file."""
    max_files: int
    options: Mapping[str, str]

    @property
    def readable(self) -> bool:
        """Whether there are logs to be asked for."""
        return self.driver != NONE


def parse(host: Mapping[str, Any]) -> LogConfig:
    """The ``LogConfig`` of a HostConfig.

    Raises:
        InvalidParameter: an unknown driver or option, or a value that it does not take.
        NotImplementedHere: a driver that only Docker has.
    """
    config = host.get("LogConfig") or {}
    driver, options = config.get("Type") or DEFAULT, config.get("Config") or {}
    if driver in _OTHERS:
        raise NotImplementedHere(
            f"HostConfig.LogConfig.Type = {driver!r} is not implemented by this engine: json-file, local and none are"
        )
    if driver == NONE:
        if options:
            raise InvalidParameter("invalid logging opts for driver none")
        return LogConfig(driver, _UNREAD, 1, {})
    if driver not in _OPTIONS:
        raise InvalidParameter(f'error looking up logging plugin {driver}: plugin "{driver}" not found')
    for name in options:
        if name not in _OPTIONS[driver]:
            raise InvalidParameter(f"unknown log opt '{name}' for {driver} log driver")
    return LogConfig(driver, *_sizes(driver, options), options)


def _sizes(driver: str, options: Mapping[str, str]) -> tuple[int, int]:
    """(bytes of a file, how many); one file where only its size is given, as json-file has it."""
    size = MAX_SIZE if "max-size" not in options else _bytes(options["max-size"])
    if size <= 0:
        raise InvalidParameter("max-size must be a positive number")
    files = MAX_FILES
    if "max-file" in options:
        if not re.fullmatch(r"[+-]?\d+", options["max-file"]):
            raise InvalidParameter(f"invalid value for max-file: {options['max-file']}: a whole number is expected")
        files = int(options["max-file"])
        if files < 1:
            raise InvalidParameter("max-file cannot be less than 1")
    elif "max-size" in options and driver == DEFAULT:
        files = 1
    return size, files


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidParameter(f"invalid size: '{text}'")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def details(config: LogConfig, labels: Mapping[str, str], environment: Sequence[str], names: Mapping[str, str]) -> str:
    """What ``docker logs --details`` puts before each line; ``names`` are those that a tag may use.

    Raises:
        InvalidParameter: the tag's template, or a regular expression, is none.
    """
    if config.driver != DEFAULT:
        return ""
    variables = {name: value for name, _, value in (line.partition("=") for line in environment)}
    found = _chosen(config.options, "labels", labels) | _chosen(config.options, "env", variables)
    if config.options.get("tag"):
        found["tag"] = _TEMPLATE.sub(lambda match: _named(names, match[1]), config.options["tag"])
    return ",".join(f"{quote_plus(key)}={quote_plus(found[key])}" for key in sorted(found))


def _named(names: Mapping[str, str], name: str) -> str:
    if name not in names:
        raise InvalidParameter(f"invalid log opt tag: {{{{.{name}}}}} is not one of {', '.join(sorted(names))}")
    return names[name]


def _chosen(options: Mapping[str, str], option: str, values: Mapping[str, str]) -> dict[str, str]:
    wanted = {name.strip() for name in options.get(option, "").split(",")}
    found = {key: value for key, value in values.items() if key in wanted}
    if expression := options.get(f"{option}-regex"):
        try:
            pattern = re.compile(expression)
        except re.error as error:
            raise InvalidParameter(f"invalid log opt {option}-regex: {error}") from None
        found |= {key: value for key, value in values.items() if pattern.search(key)}
    return found
