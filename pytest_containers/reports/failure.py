"""What a failing test shows of its containers: sections of its report, and properties for junit-xml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.errors import ContainerError
from pytest_containers.reports.record import Record, record_of
from pytest_containers.session import existing_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container


def describe(item: pytest.Item, report: pytest.TestReport) -> list[Container]:
    """Add a section and properties for each container that the failing test uses; returns those containers."""
    engine = existing_engine(item.config)
    if engine is None or not engine.live:
        return []
    found = list(in_use(item, engine))
    known = {name for name, _ in item.user_properties}
    for container, name in found:
        record, section = _told(engine, container, name)
        report.sections.append(section)
        if record is not None:
            added = [(key, value) for key, value in properties(record) if key not in known]
            item.user_properties += added  # reports to come copy them, this one has its copy already
            report.user_properties += added
    return [container for container, _ in found]


def in_use(item: pytest.Item, engine: Engine) -> Iterator[tuple[Container, str]]:
    """The test's own containers, and those of wider scopes whose fixtures it asks for."""
    chain = item.listchain()
    names: set[str] = set(getattr(item, "fixturenames", ()))
    request = getattr(item, "_request", None)  # has also what was asked for by request.getfixturevalue
    names.update(getattr(request, "fixturenames", ()))
    for container, node, name in [*engine.live]:
        if node is item or (node in chain and name in names):
            yield container, name


def _told(engine: Engine, container: Container, name: str) -> tuple[Record | None, tuple[str, str]]:
    who = f"{name} ({container.image})" if name else f"{container.image} {container.id[:12]}"
    if container.removed:
        return None, (f"container {who}: removed", "its output went with it")
    try:
        record = record_of(engine, container, lines=engine.log_lines, errors=True)
    except ContainerError as error:
        return None, (f"container {who}", f"{error}")
    return record, (f"container {who}: {record.ending}", text(record))


def text(record: Record) -> str:
    """A record for the terminal."""
    parts = [f"definition: {definition(record)}", f"timeline: {timeline(record)}"]
    if record.peaks:
        parts.append(f"used: {peaks(record.peaks)}")
    streams = [(name, each) for name, each in (("stdout", record.stdout), ("stderr", record.stderr)) if each]
    parts += [f"-- last lines of {name} --\n{each.rstrip()}" for name, each in streams]
    return "\n".join(parts if streams else [*parts, "(it wrote nothing)"])


def definition(record: Record) -> str:
    """Name, command and the options that were set."""
    options = "".join(f"; {key}: {value}" for key, value in record.options.items())
    return f"{record.name}: {record.command}{options}".replace("\n", "\\n")


def timeline(record: Record) -> str:
    """What happened when, in the order of time."""
    shown = f" ({record.first_error_line})" if record.first_error_line else ""
    moments = [
        (at, f"{what} +{at:.3f} s{more}")
        for what, at, more in (
            ("started", record.started, ""),
            ("ready", record.ready, ""),
            ("first error", record.first_error, shown),
            ("ended", record.ended, ""),
        )
        if at is not None
    ]
    return ", ".join(["created", *(words for _, words in sorted(moments, key=lambda one: one[0]))])


def peaks(figures: dict[str, float]) -> str:
    """Figures for people."""
    words: list[str] = []
    if "memory" in figures:
        words.append(f"memory {figures['memory'] / (1 << 20):.1f} MiB")
    if "cpu" in figures:
        words.append(f"processor {figures['cpu']:.3f} s")
    if "pids" in figures:
        words.append(f"{figures['pids']:.0f} process{'es' if figures['pids'] != 1 else ''}")
    return ", ".join(words)


def properties(record: Record) -> list[tuple[str, str]]:
    """A record as properties of a test in junit-xml; times in seconds after the container was created."""
    values: dict[str, object] = {"name": record.name, "image": record.image, "state": record.state}
    values["exit_code"] = record.exit_code
    values["oom_killed"] = record.oom_killed or None
    for key in ("started", "ready", "first_error", "ended"):
        at = getattr(record, key)
        values[key] = None if at is None else f"{at:.3f}"
    values |= {f"{key}_used": f"{value:g}" for key, value in record.peaks.items()}
    who = record.label if record.label == record.name else f"{record.label}.{record.name}"
    return [(f"container.{who}.{key}", str(value)) for key, value in values.items() if value is not None]
