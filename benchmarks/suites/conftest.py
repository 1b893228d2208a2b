"""For all suites alike: how many tests there are, and what pytest says of each phase of each."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tests", type=int, default=3, help="how many tests the suite has")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(metafunc.config.getoption("--tests")))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if path := os.environ.get("SUITES_RECORD"):
        with open(path, "a") as file:  # noqa: PTH123
            print(json.dumps([report.when, report.duration]), file=file)
