"""Ctrl-C in a real terminal, and other ends before the end: soon, with clear words, and nothing is left."""

from __future__ import annotations

import os
import re
import select
from typing import TYPE_CHECKING

import pexpect
import pytest

from pytest_containers.embedded import runtime_home
from tests.plugin.conftest import ELSEWHERE, HANG_LIMIT, left_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Terminal = Callable[..., pexpect.spawn[str]]

STUBBORN = '["sh", "-c", "trap : TERM; while :; do sleep 1000; done"]'
# A registry that takes connections and never answers.
SILENT = """
    import os, signal, socket, time
    import pytest
    from pytest_containers import ContainerSpec, container, network, volume, wait
    listener = socket.create_server(("127.0.0.1", 0))
    silent = f"127.0.0.1:{listener.getsockname()[1]}/a/b:1"
    def now(): os.write(tty, b"NOW\\n")
    tty = os.open("/dev/tty", os.O_RDWR)
"""


def started(terminal: Terminal, text: str, *arguments: str) -> pexpect.spawn[str]:
    """A run that has come to where it says so."""
    child = terminal(SILENT + text, *arguments)
    child.expect("NOW")
    return child


def directories(child: pexpect.spawn[str]) -> list[Path]:
    return list(runtime_home().glob(f"run-{child.pid}-*"))


def end(child: pexpect.spawn[str]) -> str:
    """What it still writes until it ends."""
    child.expect(pexpect.EOF)
    child.wait()
    assert not directories(child)
    if ELSEWHERE:
        assert left_elsewhere(f"run-{child.pid}-") == []
    return str(child.before)


def names_the_line(said: str, text: str) -> bool:
    """Whether it names the line where it slept, or what told us to interrupt it just before."""
    lines = text.split("\n")
    here = next(number for number, line in enumerate(lines) if "# here" in line)
    near = [here, here - 1, *(number for number, line in enumerate(lines) if "def now" in line)]
    return any(f"test_it.py:{number}: KeyboardInterrupt" in said for number in near)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            f"""
    boxes = [container("host", {STUBBORN}, stop_timeout=1000) for _ in range(3)]
    one, two, three = boxes
    def test_it(one, two, three):
        now()
        time.sleep(1000)  # here
    """,
            id="containers that do not want to end",
        ),
        pytest.param(
            """
    net, vol = network(), volume()
    use = {"network": net, "volumes": {"/data": vol}}
    one, two, three = [container("host", "sleep 1000", **use) for _ in range(3)]
    def test_it(one, two, three):
        now()
        time.sleep(1000)  # here
    """,
            id="containers that use something",
        ),
        pytest.param(
            """
    def test_it(containers):
        never = ContainerSpec("host", "sleep 1000", wait=wait.callable(lambda box: now()))
        containers.start_all(never, never)  # here
    """,
            id="several starts",
        ),
        pytest.param(
            """
    box = container(silent)
    def test_it(containers):
        containers.run("host", "true")
        listener.accept()  # the next test's pull has begun
        now()
        time.sleep(1000)  # here
    def test_next(box): ...
    """,
            id="look-ahead",
        ),
        pytest.param(
            """
    def test_it(containers):
        containers.run("host", "sleep 1000", wait=wait.callable(lambda box: now()), timeout=1000)  # here
    """,
            id="a wait",
        ),
    ],
)
def test_one_ctrl_c_ends_all(terminal: Terminal, text: str) -> None:
    child = started(terminal, text)
    child.sendintr()
    said = end(child)
    assert names_the_line(said, SILENT + text), said
    assert "Traceback" not in said
    assert child.exitstatus == pytest.ExitCode.INTERRUPTED


def test_two_more_do_not_wait_for_fixtures(terminal: Terminal) -> None:
    text = f"""
    box = container("host", {STUBBORN}, stop_timeout=1000)
    @pytest.fixture
    def slow(box):
        yield
        now()
        time.sleep(1000)
    def test_it(slow):
        now()
        time.sleep(1000)  # here
    """
    child = started(terminal, text)
    child.sendintr()
    child.expect("NOW")
    child.sendintr()
    child.sendintr()
    said = end(child)
    assert "containers: interrupted again: no more fixtures are torn down, and all containers are killed" in said
    assert names_the_line(said, SILENT + text), said
    assert "Traceback" not in said
    assert child.exitstatus == pytest.ExitCode.INTERRUPTED


def test_three_at_once(terminal: Terminal) -> None:
    text = f"""
    box = container("host", {STUBBORN}, stop_timeout=1000)
    def test_it(box):
        now()
        time.sleep(1000)
    """
    child = started(terminal, text)
    for _ in range(3):
        child.sendintr()
    said = end(child)
    # The third may come when Python itself is about to end, which then says where.
    assert not re.search(r"Traceback[\s\S]*/pytest_containers/", said), said


def test_a_process_that_handles_ctrl_c_itself(terminal: Terminal) -> None:
    text = """
    def test_it(containers):
        containers.run("host", "true")
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        now()
    """
    assert "1 passed" in end(started(terminal, text))


def test_a_test_in_a_container(terminal: Terminal) -> None:
    text = """
    import os, time
    import pytest
    @pytest.mark.in_container  # here
    def test_it():
        os.write(2, b"NOW")
        time.sleep(1000)
    """
    child = terminal(text, "-s")
    child.expect("NOW")
    child.sendintr()
    said = end(child)
    assert names_the_line(said, text), said
    assert "Traceback" not in said


def test_workers(terminal: Terminal) -> None:
    text = f"""
    box = container("host", {STUBBORN}, stop_timeout=1000)
    both = container("host", {STUBBORN}, stop_timeout=1000, shared=True)
    def test_it(box, both):
        now()
        time.sleep(1000)
    """
    child = started(terminal, text, "-n", "1")
    child.sendintr()
    assert "INTERNALERROR" not in end(child)


def ended(child: pexpect.spawn[str]) -> Callable[[], bool]:
    """Called now; the result says, when it is called, whether all of its run has ended with it."""
    if ELSEWHERE:
        return lambda: left_elsewhere(f"run-{child.pid}-") == []
    (directory,) = directories(child)
    engine = os.pidfd_open(int((directory / "engine.pid").read_text()))

    def ended() -> bool:
        try:
            return bool(select.select([engine], [], [], HANG_LIMIT)[0])
        finally:
            os.close(engine)

    return ended


def test_terminal_that_is_closed(terminal: Terminal) -> None:
    text = """
    def test_it(containers):
        containers.run("host", "sleep 1000")
        now()
        time.sleep(1000)
    """
    child = started(terminal, text)
    run_ended = ended(child)
    child.close()  # the kernel tells all that are in it
    assert run_ended()


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_time_limits_of_pytest_timeout(terminal: Terminal, method: str) -> None:
    text = f"""
    box = container("host", {STUBBORN}, stop_timeout=0.1)
    @pytest.mark.timeout(0.5, method={method!r}, func_only=True)
    def test_it(box, containers):
        now()
        containers.start_all(ContainerSpec("host", "sleep 1000", wait=wait.port(9)))
    """
    child = started(terminal, text)
    run_ended = ended(child)
    child.expect("1 failed" if method == "signal" else "Timeout")
    child.expect(pexpect.EOF)  # "thread" ends pytest by os._exit
    assert run_ended()
