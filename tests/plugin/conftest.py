"""pytest run by pytest, with the embedded engine or, by CONTAINERS_TEST_ENGINE, with another one.

That one needs an image ``host`` (tests/host_image.py makes it), and the directory of temporary files under the same
name. What only the embedded engine can pass is marked ``embedded(reason)`` and left out.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pexpect

    Terminal = Callable[..., pexpect.spawn[str]]

HANG_LIMIT = 60.0
"""Seconds after which a test gives up on an event."""

ELSEWHERE = os.environ.get("CONTAINERS_TEST_ENGINE", "")
"""The engine to test with, as ``--containers-engine`` has it, where that is not the embedded one."""
PODMAN = "podman" in ELSEWHERE
"""Whether that is Podman, which cannot do all that Docker can."""
ENGINE_OPTION = [f"--containers-engine={ELSEWHERE}"] if ELSEWHERE else []
OPTIONS = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:platformdirs", *ENGINE_OPTION]
"""Of every run in a run; hypothesis takes a third of a pytest's start, in each worker too."""

Run = "Callable[..., pytest.RunResult]"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What only the embedded engine has is left out with others."""
    left_out = [item for item in items if ELSEWHERE and item.get_closest_marker("embedded")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run a project's tests in a process of their own; files are given by name, with ``_`` for the dot."""

    def run(*arguments: str, **files: str) -> pytest.RunResult:
        if files:
            pytester.makepyfile(**{name.removesuffix("_py"): text for name, text in files.items()})
        return pytester.runpytest_subprocess(*OPTIONS, *arguments, timeout=HANG_LIMIT * (2 if ELSEWHERE else 1))

    return run


@pytest.fixture
def terminal(pytester: pytest.Pytester) -> Iterator[Terminal]:
    """Run a project's one file in a terminal of 30 lines and 100 columns."""
    import pexpect

    started: list[pexpect.spawn[str]] = []

    def run(text: str, *arguments: str) -> pexpect.spawn[str]:
        pytester.makepyfile(test_it=text)
        words = ["-P", "-m", "pytest", "--color=no", *OPTIONS, *arguments]
        child = pexpect.spawn(
            sys.executable, words, cwd=pytester.path, timeout=HANG_LIMIT, encoding="utf-8", dimensions=(30, 100)
        )
        started.append(child)
        return child

    yield run
    for child in started:
        child.close(force=True)


@pytest.fixture
def run_directories() -> Callable[[str], list[Path]]:
    """The run directories that are named in a text."""
    from pathlib import Path

    return lambda text: [Path(found) for found in sorted(set(re.findall(r"/\S+/run-\d+-[0-9a-f]+", text)))]


def await_watchers(part: str) -> None:
    """Return when no process is left that watches over a run with ``part`` in the path of its FIFO."""
    import select
    from pathlib import Path

    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text()
            if "pytest_containers.watcher" not in words or part not in words:
                continue
            pidfd = os.pidfd_open(int(process.name))
        except (OSError, UnicodeDecodeError):  # it has ended meanwhile, or is somebody else's
            continue
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert poll.poll(HANG_LIMIT * 1000)
        os.close(pidfd)


def left_elsewhere(run: str) -> list[str]:
    """What a run has left on the other engine, after its watch has ended, too; ``run``: how its name begins."""
    from pytest_containers.client import Client
    from pytest_containers.engine import RUN_LABEL

    await_watchers(f"pytest-containers-{run}")
    with Client(ELSEWHERE) as client:
        filters = {"label": [RUN_LABEL]}
        found = [
            *client.containers.list(all=True, filters=filters),
            *client.networks.list(filters=filters),
            *client.volumes.list(filters=filters),
        ]
    labels = [dict(one.get("Labels") or {}).get(RUN_LABEL, "") for one in found]
    return [label for label in labels if label.startswith(run)]
