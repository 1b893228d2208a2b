"""One container as reports have it: plain data, that goes from xdist's workers to the controller as it is."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from pytest_containers.client.errors import ClientError
from pytest_containers.errors import ContainerError

if TYPE_CHECKING:
    from pytest_containers.client.types import ContainerDetails
    from pytest_containers.definition import ContainerSpec
    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container

NEVER = "0001"
"""What Docker's times begin with where nothing has happened (Go's zero time)."""
LINE_LIMIT = 200  # characters of the first error that a report shows
OPTION_LIMIT = 200
SEARCH_LIMIT = 4 << 20
"""Bytes of output that are searched for the first error."""
ERROR = re.compile(rb"\b(error|fatal|panic|exception|traceback|critical)\b", re.IGNORECASE)
"""What services write when something goes wrong, whatever the form of their log."""


@dataclass
class Record:
    """One container; times are seconds after it was created, None where that has not happened.

    Attributes:
        label: its fixture's name, else the name that it was given, else the one that its engine made up.
        options: the options of its definition that were set, as text; of ``env`` the names only.
        created: seconds since 1970.
        owner: the test, class, module … that it lived for.
        ending: whether it runs or how it ended, in words.
        peaks: ``memory`` in bytes, ``cpu`` in seconds, ``pids``; what the engine cannot tell is not in it.
    """

    id: str
    name: str
    label: str
    image: str
    command: str
    owner: str = ""
    worker: str = ""
    options: dict[str, str] = field(default_factory=dict[str, str])
    created: float = 0.0
    started: float | None = None
    ready: float | None = None
    first_error: float | None = None
    first_error_line: str = ""
    ended: float | None = None
    state: str = "unknown"
    ending: str = "unknown"
    exit_code: int | None = None
    oom_killed: bool = False
    peaks: dict[str, float] = field(default_factory=dict[str, float])
    stdout: str = ""
    stderr: str = ""
    failed: bool = False
    kept: bool = False

    def plain(self) -> dict[str, Any]:
        """It as dictionaries, lists, strings and numbers."""
        return dataclasses.asdict(self)


def record_of(engine: Engine, container: Container, owner: str = "", *, lines: int = 0, errors: bool = False) -> Record:
    """What is known of a container now; ``lines``: how many last lines of output, ``errors``: look for the first one.

    Raises:
        ContainerError: the engine does not tell.
    """
    spec, details = container.definition, container.inspect()
    name = details.get("Name", "").lstrip("/")
    record = Record(container.id, name, container.label or name, spec.image, _command(details), owner)
    record.options = options_of(spec)
    record.ending = container.ending()
    _fill_state(record, container, details)
    record.peaks = _peaks(engine, container)
    if lines:
        record.stdout, record.stderr = container.log_streams(tail=lines)
    if errors:
        _find_error(record, engine, details)
    return record


def _command(details: ContainerDetails) -> str:
    import shlex

    return shortened(shlex.join([details.get("Path", ""), *(details.get("Args") or ())]))


def seconds(text: str) -> float | None:
    """A time as Docker writes it, in seconds since 1970; None where nothing has happened yet."""
    if not text or text.startswith(NEVER):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _fill_state(record: Record, container: Container, details: ContainerDetails) -> None:
    """Engine's times against the engine's, ours against ours: another machine's clock may be wrong."""
    state = details.get("State", {})
    moments = container.moments
    created = seconds(details.get("Created", ""))
    record.created = moments.get("created") or created or time.time()
    started, ended = seconds(state.get("StartedAt", "")), seconds(str(state.get("FinishedAt", "")))
    if created is not None and started is not None:
        record.started = max(0.0, started - created)
    if "ready" in moments:
        record.ready = max(record.started or 0.0, moments["ready"] - record.created)
    record.state = state.get("Status", "unknown")
    if record.state in {"exited", "dead"}:
        record.exit_code = state.get("ExitCode")
        record.oom_killed = bool(state.get("OOMKilled"))
        if created is not None and ended is not None:
            # Podman may note the end of a short life before its start.
            record.ended = max(record.started or 0.0, ended - created)


def _peaks(engine: Engine, container: Container) -> dict[str, float]:
    """The engine's figures: a peak of memory where it has one (cgroup v1), else what is used now."""
    try:
        figures = engine.client.containers.stats(container.id, one_shot=True)
    except (ClientError, ContainerError):
        return {}
    memory: Mapping[str, Any] = figures.get("memory_stats") or {}
    usage: Mapping[str, Any] = (figures.get("cpu_stats") or {}).get("cpu_usage") or {}
    pids: Mapping[str, Any] = figures.get("pids_stats") or {}
    found = {
        "memory": float(memory.get("max_usage") or memory.get("usage") or 0),
        "cpu": (usage.get("total_usage") or 0) / 1e9,
        "pids": float(pids.get("current") or 0),
    }
    return {name: value for name, value in found.items() if value}


def _find_error(record: Record, engine: Engine, details: ContainerDetails) -> None:
    found = _first_error(engine, record.id)
    stamp, _, line = found.partition(b" ")
    at, created = seconds(stamp.decode(errors="replace")), seconds(details.get("Created", ""))
    if at is not None and created is not None:
        record.first_error = max(0.0, at - created)
        record.first_error_line = line.decode(errors="replace").strip()[:LINE_LIMIT]


def _first_error(engine: Engine, container_id: str) -> bytes:
    """The first line, with its time before it, that speaks of an error; nothing where none does."""
    rests: dict[int, bytes] = {}
    size = 0
    try:
        with engine.client.containers.follow(container_id, timestamps=True, follow=False) as stream:
            for number, data in stream:
                *lines, rests[number] = (rests.get(number, b"") + data).split(b"\n")
                for line in lines:
                    if ERROR.search(line):
                        return line
                size += len(data)
                if size > SEARCH_LIMIT:
                    break
    except ClientError:
        return b""
    return next((rest for rest in rests.values() if ERROR.search(rest)), b"")


def options_of(spec: ContainerSpec) -> dict[str, str]:
    """The options that are not at their defaults, as short texts."""
    found: dict[str, str] = {}
    for one in dataclasses.fields(spec):
        if one.name in {"image", "command", "cls"}:
            continue
        value = getattr(spec, one.name)
        factory: Any = one.default_factory
        default: object = factory() if one.default is dataclasses.MISSING else one.default
        if value is not None and value != default:
            found[one.name] = shortened(_text(one.name, value))
    return found


def shortened(text: str) -> str:
    """A text that fits into a report."""
    return text if len(text) <= OPTION_LIMIT else f"{text[: OPTION_LIMIT - 1]}…"


def _text(name: str, value: object) -> str:
    if name in {"env", "files"}:  # values may be secret, or large
        return ", ".join(cast("Mapping[str, object]", value))
    if name == "limits":
        given = cast("Any", value).given()
        return ", ".join(f"{key}={getattr(value, key)}" for key in given)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return ", ".join(f"{key}={getattr(item, 'name', item)}" for key, item in pairs)
    if isinstance(value, str) or not isinstance(value, list | tuple):
        return str(getattr(value, "__qualname__", None) or getattr(value, "name", None) or value)
    return ", ".join(map(str, cast("list[object]", value)))
