"""The wait loop, ports and logs, with real sockets and a target that is told what happens."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from pytest_containers import wait
from pytest_containers.wait.base import Ended, TimedOut, run
from tests.target import Output, Target


def test_port_that_listens(target: Target, listener: socket.socket) -> None:
    run(wait.port(listener.getsockname()[1]), target, 5)


def test_port_that_listens_later(target: Target) -> None:
    with socket.socket() as late:
        late.bind(("127.0.0.1", 0))
        timer = threading.Timer(0.1, late.listen)
        timer.start()
        run(wait.port(late.getsockname()[1]), target, 5)
        timer.join()


def test_time_out_counts_tries_at_growing_intervals(target: Target, unused: int) -> None:
    with pytest.raises(TimedOut) as info:
        run(wait.port(unused), target, 0.4)
    assert info.value.seen == f"connection refused at 127.0.0.1:{unused}"
    assert 8 <= info.value.tries <= 24  # 1, 1.25, 1.6 … 50 ms


def test_end_ends_a_port_wait_at_once(target: Target, unused: int) -> None:
    threading.Timer(0.05, target.end).start()
    begin = time.monotonic()
    with pytest.raises(Ended):
        run(wait.port(unused), target, 50)
    assert time.monotonic() - begin < 5


def test_proxy_that_drops_connections_is_not_ready(target: Target, listener: socket.socket) -> None:
    def drop() -> None:
        connection, _ = listener.accept()
        connection.close()
        with listener.accept()[0] as second:
            second.recv(1)  # until the other side closes

    target.own_address = False
    thread = threading.Thread(target=drop)
    thread.start()
    run(wait.port(listener.getsockname()[1]), target, 5)
    thread.join()


@pytest.mark.parametrize(
    ("wanted", "pieces"),
    [
        (wait.log("ready"), [(1, b"get re"), (1, b"ady\n")]),
        (wait.log("ready"), [(1, b"no end of line: ready")]),
        (wait.log("ready", times=2), [(1, b"ready\n"), (2, b"ready")]),
        (wait.log("ready", times=2), [(1, b"ready, ready")]),
        (wait.log("ready", stream="stderr"), [(2, b"ready\n")]),
        (wait.log(r"^port \d+$", regex=True), [(1, b"x\nport 80\n")]),
        (wait.log("a.c") | wait.log("b"), [(1, b"abc")]),
        (wait.log("a") & wait.log("b"), [(1, b"b\n"), (2, b"a\n")]),
    ],
    ids=str,
)
def test_log(target: Target, wanted: wait.Wait, pieces: list[tuple[int, bytes]]) -> None:
    outputs = [Output(), Output()]  # each part of a combination follows on its own
    for output in outputs:
        for piece in pieces:
            output.pieces.put(piece)
    target.output = iter(outputs).__next__
    run(wanted, target, 5)


@pytest.mark.parametrize(
    ("wanted", "pieces", "seen"),
    [
        (wait.log("a.c"), [(1, b"abc\n")], "1 lines, the last 'abc'"),
        (wait.log("x", stream="stderr"), [(1, b"x\n")], "nothing was written"),
        (wait.log("x", times=2), [(1, b"x\n")], "found 1 of 2 times, 1 lines, the last 'x'"),
    ],
)
def test_log_that_does_not_come(target: Target, wanted: wait.Wait, pieces: list[tuple[int, bytes]], seen: str) -> None:
    for piece in pieces:
        target.written.pieces.put(piece)
    with pytest.raises(TimedOut) as info:
        run(wanted, target, 0.1)
    assert info.value.seen == seen


def test_last_words_before_the_end_count(target: Target) -> None:
    os.close(target.waiting.write)
    target.waiting.write = -1

    def speak() -> None:
        target.written.pieces.put((1, b"done"))
        target.written.close()

    timer = threading.Timer(0.05, speak)
    timer.start()
    run(wait.log("done"), target, 5)
    timer.join()


def test_words() -> None:
    wanted = wait.port(80) & (wait.log("a", times=2) | wait.log("b", stream="stderr")) & wait.port(81)
    assert str(wanted) == "port 80 and ('a' in its output 2 times or 'b' on stderr) and port 81"
    assert set(wanted.ports()) == {80, 81}
    assert wanted == wait.port(80) & (wait.log("a", times=2) | wait.log("b", stream="stderr")) & wait.port(81)
