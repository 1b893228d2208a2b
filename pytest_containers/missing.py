"""``--containers-missing=skip``: tests that need an engine where there is none are skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_containers.errors import NoEngine

if TYPE_CHECKING:
    from _pytest._code import ExceptionInfo


def skip_reason(error: object) -> str:
    """The reason in one line, where an error means that tests are to be skipped; else nothing."""
    if not isinstance(error, NoEngine) or not error.skip:
        return ""
    first, *more = [line.strip() for line in str(error).splitlines()]
    return f"{first} {'; '.join(more)}".strip()


def engine_is_missing(error: object) -> None:
    """Skip the running test, where an error means that."""
    __tracebackhide__ = True
    if reason := skip_reason(error):
        pytest.skip(reason)


def translate(call: pytest.CallInfo[None]) -> None:
    """A test's own call met the error: what becomes a report of it is to be a skip, as pytest does for unittest's."""
    found = call.excinfo
    reason = skip_reason(found.value) if found else ""
    if not found or not reason:
        return
    made: ExceptionInfo[BaseException] = pytest.ExceptionInfo.from_exc_info(
        (pytest.skip.Exception, pytest.skip.Exception(reason), found.tb)
    )
    call.excinfo = made
