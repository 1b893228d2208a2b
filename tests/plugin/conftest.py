from __future__ import annotations

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
def terminal(pytester: pytest.Pytester) -> Iterator[Terminal]:
    """Run a project's one file in a terminal of 30 lines and 100 columns."""
    import pexpect

    started: list[pexpect.spawn[str]] = []

    def run(text: str, *arguments: str) -> pexpect.spawn[str]:
        pytester.makepyfile(test_it=text)
        words = ["-P", "-m", "pytest", "--color=no", "-p", "no:cacheprovider", *arguments]
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
