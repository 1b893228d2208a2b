from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HANG_LIMIT = 60.0
"""Seconds after which a test gives up on an event."""

Run = "Callable[..., pytest.RunResult]"


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run a project's tests in a process of their own; files are given by name, with ``_`` for the dot."""

    def run(*arguments: str, **files: str) -> pytest.RunResult:
        if files:
            pytester.makepyfile(**{name.removesuffix("_py"): text for name, text in files.items()})
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=HANG_LIMIT)

    return run


@pytest.fixture
def run_directories() -> Callable[[str], list[Path]]:
    """The run directories that are named in a text."""
    from pathlib import Path

    return lambda text: [Path(found) for found in sorted(set(re.findall(r"/\S+/run-\d+-[0-9a-f]+", text)))]
