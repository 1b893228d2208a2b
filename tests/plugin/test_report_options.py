import os
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_containers.client import Client
from tests.plugin.conftest import PODMAN

Run = Callable[..., pytest.RunResult]
PROJECT = """
    import pytest
    from pytest_containers import container, wait
    shared = container("host", ["sh", "-c", "echo shared; exec sleep 1000"], scope="session", wait=wait.log("shared"))
    db = container("host", ["sh", "-c", "echo one; printf three; sleep 0.1; echo '<b>two</b>' >&2; exec sleep 1000"],
                   wait=wait.log("two"))
    @pytest.mark.parametrize("n", range(3))
    def test_good(n, shared, db): pass
    def test_bad(shared, db): assert "<script>alert(1)</script>" == ""
    def test_own(containers):
        box = containers.run("host", "echo mine")
        box.wait()
        box.remove()
    broken = container("host", ["sh", "-c", "echo broken; exit 3"], wait=wait.log("never"))
    def test_broken(broken): pass
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_all_output_in_files(run: Run, pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    result = run("--containers-logs=out/logs", *workers, test_it=PROJECT)
    result.assert_outcomes(passed=4, failed=1, errors=1)
    found = {
        str(path.relative_to(pytester.path / "out/logs")): path.read_text()
        for path in (pytester.path / "out/logs").rglob("*.log")
    }
    of_db = [text for name, text in found.items() if re.fullmatch(r"test_it\.py--test_good\[\d\]/db-\w+\.log", name)]
    assert len(of_db) == 3
    for text in of_db:
        lines = sorted(line.partition(" ")[2] for line in text.splitlines())
        assert lines == ["stderr <b>two</b>", "stdout one", "stdout three"]
        assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z std", line) for line in text.splitlines())
    rest = [text for name, text in found.items() if name.startswith("test_it.py--test_own/")]
    assert [text.endswith("Z stdout mine\n") for text in rest] == [True]
    assert any(name.startswith("test_it.py--test_broken/broken-") for name in found)
    assert len([name for name in found if name.startswith("session/shared-")]) in ({1} if not workers else {1, 2})


def test_directory_of_files_that_cannot_be_made(run: Run) -> None:
    result = run("--containers-logs=/proc/x", test_it="def test_it(containers): containers.run('host', 'true')")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*the output of container <Container host *> is not written: *'/proc/x*"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_page_of_the_run(run: Run, pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    result = run("--containers-report=out/page.html", *workers, test_it=PROJECT)
    result.assert_outcomes(passed=4, failed=1, errors=1)
    result.stdout.fnmatch_lines([f"*containers: report in {pytester.path}/out/page.html*"])
    page = (pytester.path / "out/page.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "6 tests, 2 failed, " in page
    labels = re.findall(r'<summary><span class="who">(\w+) <small>host, ([^<]*)', page)
    assert [label for label, _ in labels].count("db") == 4
    assert ("broken", "exited with code 3") in labels
    assert [label for label, _ in labels].count("shared") in ({1} if not workers else {1, 2})
    assert "&lt;b&gt;two&lt;/b&gt;" in page  # output of the failed test's container
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == (["The run"] if not workers else ["Worker gw0", "Worker gw1"]) + ["Failed tests"]


def test_page_that_cannot_be_written(run: Run) -> None:
    result = run("--containers-report=/proc/x/page", test_it="def test_it(containers): pass")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["containers: the report cannot be written: *"])


@pytest.mark.parametrize(
    ("options", "shown"),
    [(["--containers-follow"], True), (["-s"], True), ([], False), (["-s", "-o", "containers_follow=never"], False),
     (["--containers-follow", "-n", "1"], True)],
)  # fmt: skip
def test_output_as_it_comes(run: Run, options: list[str], shown: bool) -> None:
    result = run(
        *options,
        test_it="""
            def test_it(containers):
                one = containers.run("host", ["sh", "-c", "echo hello; printf end"], name=None)
                one.wait()
                other = containers.run("host", ["sh", "-c", "echo again; exec sleep 1000"])
                other.logs.expect("again", timeout=30)
        """,
    )
    result.assert_outcomes(passed=1)
    lines = [*result.outlines, *result.errlines]
    found = [line.partition(" | ")[2] for line in lines if re.fullmatch(r"\.?\w+ \| .*", line)]
    wanted = ["hello", "end", "again"] if shown else []
    if PODMAN:  # it tells a while after the end that there is no more output
        found.sort(key=wanted.index)
    assert found == wanted


@pytest.mark.parametrize(("name", "words"), [("follow", "auto, always or never"), ("keep", "failed, all or none")])
def test_settings_are_checked(run: Run, name: str, words: str) -> None:
    result = run("-o", f"containers_{name}=loudly", test_it="def test_it(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: containers_{name} must be {words}, not 'loudly'"])


def test_nothing_is_written_where_nothing_is_run(run: Run, pytester: pytest.Pytester) -> None:
    run("--containers-logs=out", "--collect-only", test_it=PROJECT)
    assert not (Path(pytester.path) / "out").exists()


@pytest.mark.embedded("the run's own engine is kept")
@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_kept_containers_are_there_after_the_run(run: Run, workers: tuple[str, ...]) -> None:
    result = run(
        "--containers-keep=failed",
        *workers,
        test_it="""
            from pytest_containers import container, network
            net = network()
            db = container("host", "sleep 1000", network=net)
            def test_bad(db): assert False
            def test_good(containers): containers.run("host", "sleep 1000")
        """,
    )
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    found = re.search(r"pytest-containers -H (\S+) exec -it (\S+) sh", text)
    assert found
    with Client(found[1]) as client:
        try:
            assert [one.get("Names") for one in client.containers.list(all=True)] == [[f"/{found[2]}"]]
            assert client.execs.start(client.execs.create(found[2], {"Cmd": ["true"]}))[0] == 0
        finally:
            pid = os.pidfd_open(int((Path(found[1].removeprefix("unix://")).parent / "engine.pid").read_text()))
            command = [sys.executable, "-m", "pytest_containers.cli.main", "-H", found[1], "clean"]
            assert subprocess.run(command).returncode == 0
    assert select.select([pid], [], [], 60)[0]
    os.close(pid)
    result.stdout.fnmatch_lines(["db (host) of test_it.py::test_bad: running, as *", f"to end: *-H {found[1]} clean *"])
