"""What a failing test shows of its containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_containers.errors import ContainerError
from pytest_containers.session import existing_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_containers.engine import Engine
    from pytest_containers.handle import Container


def add_sections(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add a section for each container that the test uses: how it is or ended, and its last lines."""
    engine = existing_engine(item.config)
    if engine is None or not engine.live:
        return
    for container, name in _in_use(item, engine):
        report.sections.append(_section(container, name, engine.log_lines))


def _in_use(item: pytest.Item, engine: Engine) -> Iterator[tuple[Container, str]]:
    """The test's own containers, and those of wider scopes whose fixtures it asks for."""
    chain = item.listchain()
    names: set[str] = set(getattr(item, "fixturenames", ()))
    request = getattr(item, "_request", None)  # has also what was asked for by request.getfixturevalue
    names.update(getattr(request, "fixturenames", ()))
    for container, node, name in engine.live:
        if node is item or (node in chain and name in names):
            yield container, name


def _section(container: Container, name: str, lines: int) -> tuple[str, str]:
    who = f"{name} ({container.image})" if name else f"{container.image} {container.id[:12]}"
    try:
        title = f"container {who}: {container.ending()}"
        if container.removed:
            return title, "its output went with it"
        out, err = container.log_streams(tail=lines)
    except ContainerError as error:
        return f"container {who}", f"{error}"
    parts = [
        f"-- last lines of {stream} --\n{text.rstrip()}" for stream, text in (("stdout", out), ("stderr", err)) if text
    ]
    return title, "\n".join(parts) or "(it wrote nothing)"
