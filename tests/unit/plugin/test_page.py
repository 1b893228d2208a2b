import re
from types import SimpleNamespace

import pytest

from pytest_containers.reports.page import Page


def _report(worker: str, when: str, start: float, outcome: str = "passed") -> pytest.TestReport:
    place = ("test_it.py", 1, "test_it")
    report = pytest.TestReport("test_it.py::test_it", place, {}, outcome, None, when, start=start, stop=start)  # pyright: ignore[reportArgumentType]
    vars(report)["worker_id"] = worker
    return report


def test_lost_worker_fails_the_test_that_it_ran() -> None:
    page = Page()
    page.add_report(_report("gw1", "setup", 1_700_000_000.0), [])
    crash = _report("", "???", 0.0, "failed")
    del vars(crash)["worker_id"]
    vars(crash)["node"] = SimpleNamespace(gateway=SimpleNamespace(id="gw1"), _workerinfocache="")
    page.add_report(crash, [])
    html = page.html()
    assert "<h1>1 test, 1 failed, 0 containers</h1>" in html
    assert re.findall("<h2>(.*?)</h2>", html) == ["Worker gw1", "Failed tests"]


def test_lost_worker_that_told_nothing_does_not_stretch_the_time() -> None:
    page = Page()
    page.add_report(_report("", "???", 0.0, "failed"), [])
    assert "<span>0.00 s</span>" in page.html()
