"""300 tests over four workers, one of which is killed, and a container without memory; and Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from tests import leftovers
from tests.waiting import until_gone

HANG_LIMIT = 120.0
"""Seconds after which a run has failed that does not end."""
TESTS = 300
WORKERS = 4
CONFTEST = """
    import os
    from pytest_containers import container, wait
    together = container("host", ["sh", "-c", "echo here; exec sleep 1000"], shared=True, wait=wait.log("here"))
    box = container("host", ["sleep", "1000"])
    def pytest_sessionstart(session):
        if not hasattr(session.config, "workerinput"):
            print(f"controller {os.getpid()}", flush=True)
"""
PROJECT = f"""
    import os, pytest, signal
    from pytest_containers import Limits
    @pytest.mark.parametrize("number", range({TESTS - 2}))
    def test_good(together, box, number, request):
        assert together.status == "running"
        assert number % 3 or box.exec("true").exit_code == 0
        if number == 20:
            print("in the middle")
    def test_killed(together, box):
        os.kill(os.getpid(), signal.SIGKILL)
    def test_memory(containers):
        greedy = containers.run("host", ["tail", "/dev/zero"], limits=Limits(memory="16m"))
        assert greedy.wait() == 0
"""


class LargeRun:
    """A run of the project, with all reports, as a process group of its own like a shell's job."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        pytester.makeconftest(CONFTEST)
        pytester.makepyfile(test_it=PROJECT)
        self.directory = pytester.path
        options = [
            "-v",
            "-n",
            str(WORKERS),
            "--junit-xml=junit.xml",
            "--containers-report=page.html",
            "-p",
            "no:cacheprovider",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd=pytester.path,
        )  # fmt: skip

    def read(self, until: str = "") -> str:
        """Its output, up to a line that has this in it, or to the end."""
        assert self.process.stdout
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if until and until in line:
                break
        else:
            self.process.stdout.close()
        return "".join(lines)

    @property
    def page(self) -> str:
        return (self.directory / "page.html").read_text()

    @property
    def cases(self) -> dict[str, ET.Element]:
        """junit-xml's test cases by name; each is there once. Those that were interrupted have no name."""
        cases = [case for case in ET.parse(self.directory / "junit.xml").iter("testcase") if case.get("name")]
        found = {case.get("name", ""): case for case in cases}
        assert len(found) == len(cases)
        return found


def controller_of(text: str) -> str:
    found = re.search(r"^controller (\d+)$", text, re.MULTILINE)
    assert found, text
    return found[1]


@pytest.mark.needs("limits")
def test_300_tests_a_lost_worker_and_a_container_without_memory(pytester: pytest.Pytester) -> None:
    run = LargeRun(pytester)
    text = run.read()
    assert run.process.wait(HANG_LIMIT) == pytest.ExitCode.TESTS_FAILED
    assert re.search(rf"2 failed, {TESTS - 2} passed", text), text[-3000:]
    assert "crashed while running 'test_it.py::test_killed'" in text
    assert "out of memory (limit 16m)" in text

    cases = run.cases
    assert len(cases) == TESTS
    bad = {name: [part.tag for part in case if part.tag in {"failure", "error"}] for name, case in cases.items()}
    # xdist tells of a lost worker in a phase of its own, which junit-xml takes for an error.
    assert {name: tags for name, tags in bad.items() if tags} == {"test_killed": ["error"], "test_memory": ["failure"]}
    properties = {one.get("name"): one.get("value") for one in cases["test_memory"].iter("property")}
    told = {str(name).rpartition(".")[2]: value for name, value in properties.items()}
    assert (told["state"], told["exit_code"], told["oom_killed"]) == ("exited", "137", "True")

    assert re.findall(r"<h1>(\d+) tests, (\d+) failed", run.page) == [(f"{TESTS}", "2")]
    rows = re.findall(r'<details class="row[^>]*><summary><span class="who">(\w+) <small>host, ([^<]*)', run.page)
    assert sum(label == "box" for label, _ in rows) >= TESTS - 2 - 1  # the killed worker told nothing of its last ones
    assert [ending for _, ending in rows if "memory" in ending] == [
        "was killed: out of memory (limit 16m), exit code 137"
    ]
    assert [(label, ending) for label, ending in rows if label == "together"] == [("together", "running")]
    assert '<details class="row failed"><summary><span class="who">together' not in run.page
    until_gone(lambda: leftovers.of_engine(controller_of(text)))


def test_300_tests_and_ctrl_c(pytester: pytest.Pytester) -> None:
    run = LargeRun(pytester)
    text = run.read(until="test_good[40]")
    os.killpg(run.process.pid, signal.SIGINT)
    text += run.read()
    assert run.process.wait(HANG_LIMIT) == pytest.ExitCode.INTERRUPTED
    passed = set(re.findall(r"PASSED test_it.py::(\S+)", text))
    assert "KeyboardInterrupt" in text
    assert 0 < len(passed) < TESTS
    # A worker's test is a case when its teardown is over, which the interrupt may have been faster than.
    assert len(passed - set(run.cases)) <= WORKERS
    assert 0 < int(re.findall(r"<h1>(\d+) tests, \d+ failed", run.page)[0]) < TESTS
    until_gone(lambda: leftovers.of_engine(controller_of(text)))
