"""The hooks around each test, and after all, of a run that has an engine; registered when it is started."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from pytest_containers import lookahead, missing
from pytest_containers.plugin import needs_engine
from pytest_containers.session import existing_engine

if TYPE_CHECKING:
    from collections.abc import Generator

_NEXT = pytest.StashKey["pytest.Item"]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """The next test's containers are started before this one's set-up, or when that has made what they need."""
    ahead = lookahead.of(item.config)
    if ahead is None:
        return (yield)
    ahead.leaving.begin_test(item, nextitem)
    if nextitem is not None and needs_engine(nextitem):
        item.stash[_NEXT] = nextitem
        ahead.begin(item, nextitem)
    try:
        return (yield)
    finally:
        ahead.drop(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """See ``pytest_runtest_protocol``."""
    if _NEXT in item.stash:
        ahead = lookahead.of(item.config)
        if ahead:
            ahead.begin(item, item.stash[_NEXT])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """What the last test left is gone before this one's is torn down, and what went wrong there is told here."""
    ahead = lookahead.existing(item.config)
    if ahead is None:
        return (yield)
    ahead.leaving.wait()
    result = yield
    if failures := ahead.leaving.failures():
        pytest.fail("\n".join(failures), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True, trylast=True)  # within pytest's own, which takes the warnings
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """The same where no test follows after all."""
    ahead = lookahead.existing(session.config)
    if ahead is not None:
        ahead.leaving.wait()
        for words in ahead.leaving.failures():
            warnings.warn(words, stacklevel=1)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The engine ends while pytest does what it has left to do."""
    ahead, engine = lookahead.existing(config), existing_engine(config)
    if engine is not None and (ahead is None or not ahead.is_starting):
        engine.begin_end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing test shows its containers; one that lacked an engine may be skipped (``--containers-missing``)."""
    if call.excinfo is not None:
        missing.translate(call)
    report = yield
    if report.failed:
        from pytest_containers.reports.failure import describe

        describe(item, report)
    return report
