"""What holds for every test: a missing prerequisite is a failure where CI is set, and the run leaves nothing behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import leftovers, rights

if TYPE_CHECKING:
    from collections.abc import Generator

# Helpers of several folders, before any of them imports one.
pytest.register_assert_rewrite("tests.differential.same", "tests.differential.client")

# A docker command that tests/run put there, where the machine's own is too old.
os.environ["PATH"] = f"{Path(__file__).parent / '.bin'}:{os.environ.get('PATH', os.defpath)}"

LEAK_GRACE = 3.0
"""Seconds that the kernel is given to free what has already been let go (network namespaces die asynchronously)."""


def _skip_is_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") == "true" and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where CI=true, so something is missing: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _skip_is_failure(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _skip_is_failure(report)
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What an ordinary user cannot do is left out by name, so that a skip stays what it is: something is missing."""
    left_out = [item for item in items if rights.missing(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not rights.missing(item)]


_session = pytest.StashKey[pytest.Session]()
_before = pytest.StashKey[set[str]]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput") and not session.config.option.collectonly:
        session.config.stash[_session] = session
        session.config.stash[_before] = leftovers.observe()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> Generator[None, None, None]:
    """After every plugin, ours too, has let go of what it had."""
    yield
    before, end = config.stash.get(_before, None), time.monotonic() + LEAK_GRACE
    if before is None:
        return
    while (left := sorted(leftovers.observe() - before)) and time.monotonic() < end:
        time.sleep(0.05)  # the kernel announces neither the end of a namespace nor that of a cgroup
    for line in left:
        sys.stderr.write(f"LEFT BEHIND: {line}\n")
    if left:
        config.stash[_session].exitstatus = pytest.ExitCode.TESTS_FAILED
