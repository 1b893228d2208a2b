"""The wait loop with real sockets, and a target that is told what happens."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import pytest

from pytest_containers import wait
from pytest_containers.wait.base import Ended, TimedOut, run

if TYPE_CHECKING:
    from collections.abc import Iterator


class Output:
    """What a followed log is: pieces until it is closed."""

    def __init__(self) -> None:
        self.pieces: queue.Queue[tuple[int, bytes] | None] = queue.Queue()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return iter(self.pieces.get, None)

    def close(self) -> None:
        self.pieces.put(None)


class Waiting:
    def __init__(self) -> None:
        self.read, self.write = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def fileno(self) -> int:
        return self.read


class Target:
    host = "127.0.0.1"
    own_address = True

    def __init__(self) -> None:
        self.written, self.waiting = Output(), Waiting()

    def port(self, number: int) -> int:
        return number

    def listens(self, number: int) -> bool | None:
        del number
        return None

    def output(self) -> Any:
        return self.written

    def open_wait(self) -> Any:
        return self.waiting

    def end(self) -> None:
        self.written.close()
        descriptor, self.waiting.write = self.waiting.write, -1  # whoever waits goes on as soon as it is closed
        os.close(descriptor)


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    for descriptor in (made.waiting.read, made.waiting.write):
        if descriptor >= 0:
            os.close(descriptor)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def unused() -> Iterator[int]:
    with socket.socket() as bound:  # bound and not listening: nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


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
    assert 8 <= info.value.tries <= 16  # 1, 2, 4 … 50 ms


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


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: wait.port(0), "a port is a number from 1 to 65535, not 0"),
        (lambda: wait.log(""), "the text must be a non-empty string"),
        (lambda: wait.log("x", times=0), "times must be a number from 1 up"),
        (lambda: wait.log("(", regex=True), "is no regular expression"),
        (lambda: wait.log("x", stream="both"), "stream must be 'stdout' or 'stderr', not 'both'"),
    ],
)
def test_bad_arguments_are_named(make: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        make()
