"""Each kind of wait but ports, logs and http: health, exit, commands, files, functions, limits, combinations."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_containers import wait
from pytest_containers.client.errors import EngineUnreachable, NotFoundError
from pytest_containers.errors import ContainerError
from pytest_containers.wait.base import Ended, TimedOut, run
from tests.target import Output, Running, Target, last_seen

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Any:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_healthy_is_told_by_events_alone(target: Target) -> None:
    looks = []

    def health() -> Any:
        looks.append(target.found)
        return target.found

    target.found, target.health = {"Status": "starting"}, health

    def heal() -> None:
        target.found = {"Status": "healthy"}
        target.events.pieces.put((0, b""))

    timer = threading.Timer(0.2, heal)
    timer.start()
    run(wait.healthy(), target, 5)
    timer.join()
    assert len(looks) == 2


def test_unhealthy_says_what_its_check_said(target: Target) -> None:
    target.found = {"Status": "unhealthy", "Log": [{"ExitCode": 1, "Output": "no route\n"}]}
    with pytest.raises(TimedOut) as info:
        run(wait.healthy(), target, 0.05)
    assert info.value.seen == "its health is unhealthy, the last check ended with exit code 1: 'no route'"
    target.found = {"Status": "starting", "Log": None}
    target.events = Output()
    with pytest.raises(TimedOut, match="its health is starting, and no check has ended yet"):
        run(wait.healthy(), target, 0.05)


def test_healthy_without_a_health_check(target: Target) -> None:
    with pytest.raises(ContainerError, match="it has no health check: its image declares none"):
        run(wait.healthy(), target, 5)


@pytest.mark.parametrize(("wanted", "code"), [(wait.exit(), 0), (wait.exit(3), 3), (wait.exit(None), 137)], ids=str)
def test_exit(target: Target, wanted: wait.Wait, code: int) -> None:
    timer = threading.Timer(0.05, target.end, (code,))
    timer.start()
    run(wanted, target, 5)
    timer.join()


def test_exit_with_another_code_and_none(target: Target) -> None:
    with pytest.raises(TimedOut, match="it still runs"):
        run(wait.exit(), target, 0.02)
    target.end(1)
    with pytest.raises(Ended):
        run(wait.exit(), target, 5)
    run(wait.exit() | wait.exit(1), target, 5)


def test_command_is_tried_again_until_it_ends_as_wanted(target: Target) -> None:
    ends = iter([(1, b"not yet"), (1, b""), (7, b"")])
    asked: list[tuple[Sequence[str], str | None]] = []

    def begin(words: Sequence[str], user: str | None) -> Running:
        asked.append((words, user))
        return Running(next(ends))

    target.run = begin
    run(wait.command("check it -q", exit_code=7, user="me"), target, 5)
    assert asked == [(("check", "it", "-q"), "me")] * 3


def test_command_that_fails_shows_how(target: Target) -> None:
    target.run = lambda *_: Running((2, b"no server\n"))
    assert last_seen(wait.command(["check"]), target) == "exit code 2, 'no server'"


def test_command_that_cannot_be_run_shows_why_and_a_lost_engine_ends_it(target: Target) -> None:
    def begin(*_: object) -> Running:
        raise NotFoundError(404, "no such program")

    target.run = begin
    assert "no such program" in last_seen(wait.command("check"), target)

    def lost(*_: object) -> Running:
        raise EngineUnreachable("gone")

    target.run = lost
    with pytest.raises(EngineUnreachable, match="gone"):
        run(wait.command("check"), target, 5)


def test_command_that_hangs_ends_with_the_wait(target: Target) -> None:
    target.run = lambda *_: Running(None)
    with pytest.raises(TimedOut, match="it has not ended yet"):
        run(wait.command("sleep 1000"), target, 0.05)
    timer = threading.Timer(0.05, target.end)
    timer.start()
    begin = time.monotonic()
    with pytest.raises(Ended):
        run(wait.command("sleep 1000"), target, 50)
    assert time.monotonic() - begin < 5
    timer.join()


def test_file(target: Target) -> None:
    assert last_seen(wait.file("/run/x"), target) == "it is not there"
    target.files.add("/run/x")
    run(wait.file("/run/x"), target, 5)


def test_callable_gets_the_container_in_the_same_thread_and_may_raise(target: Target) -> None:
    seen: list[object] = []

    def ready(container: object) -> bool:
        seen.append((container, threading.current_thread()))
        if len(seen) < 3:
            raise OSError("connection refused")
        return len(seen) == 4

    run(wait.callable(ready), target, 5)
    assert seen == [(target, threading.main_thread())] * 4


@pytest.mark.parametrize(
    ("function", "seen"),
    [
        (lambda _: 1 / 0, "it raised ZeroDivisionError: division by zero"),
        (lambda _: [], "it returned []"),
    ],
)
def test_callable_that_is_never_ready(target: Target, function: Any, seen: str) -> None:
    assert last_seen(wait.callable(function), target) == seen


def test_callable_that_fails_the_test_is_not_asked_again(target: Target) -> None:
    def give_up(_: object) -> bool:
        pytest.fail("enough")

    with pytest.raises(pytest.fail.Exception, match="enough"):
        run(wait.callable(give_up), target, 5)


def test_none_asks_nothing() -> None:
    run(wait.none(), None, 5)  # pyright: ignore[reportArgumentType]


def test_a_limit_of_one_ends_all_but_not_any(target: Target) -> None:
    never = wait.file("/never").within(0.05)
    with pytest.raises(TimedOut) as info:
        run(never, target, 50)
    assert info.value.seconds == 0.05
    with pytest.raises(TimedOut) as info:
        run(never & wait.file("/too"), target, 50)
    assert info.value.seconds == 0.05
    assert re.search("file /never within 0.05 s: .*; file /too: ", info.value.seen)
    timer = threading.Timer(0.2, target.files.add, ("/late",))
    timer.start()
    run(never | wait.file("/late"), target, 5)
    timer.join()
    with pytest.raises(TimedOut):
        run(never | wait.file("/n").within(0.1), target, 50)


def test_limits_add_up_to_the_longest() -> None:
    assert (wait.port(1).within(5) & (wait.port(2) | wait.port(3).within(90))).longest() == 90
    assert wait.port(1).longest() == 0


def test_all_and_any(target: Target) -> None:
    target.files.add("/a")
    run(wait.any(wait.file("/b"), wait.file("/a")), target, 5)
    with pytest.raises(TimedOut):
        run(wait.all(wait.file("/b"), wait.file("/a")), target, 0.05)
    assert wait.all(wait.port(1), wait.port(2)) == wait.port(1) & wait.port(2)
    assert wait.any(wait.port(1), wait.port(2), wait.port(3)) == wait.port(1) | wait.port(2) | wait.port(3)
    assert wait.all(wait.port(1)) == wait.port(1)


def test_one_that_cannot_be_looked_for_leaves_any_but_not_all(target: Target) -> None:
    def port(_: int) -> int:
        raise ContainerError("it has no address")

    target.port = port
    target.end()
    run(wait.port(80) | wait.exit(), target, 5)
    for wanted in (wait.port(80) & wait.exit(), wait.port(80) | wait.http()):
        with pytest.raises(ContainerError, match="it has no address"):
            run(wanted, target, 5)


def check(_: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (wait.healthy(), "its health check"),
        (wait.exit(), "its end with exit code 0"),
        (wait.exit(None), "its end"),
        (wait.command(["a", "b c"]), "'a b c' ended with exit code 0"),
        (wait.file("/a"), "file /a"),
        (wait.callable(check), "check()"),
        (wait.none(), "nothing"),
        ((wait.port(1) | wait.port(2)).within(5), "(port 1 or port 2) within 5 s"),
        (wait.http("/x", port=8080), "GET /x at port 8080 answered with success"),
        (wait.http(status=204), "GET / at port 80 answered 204"),
        (wait.http(status=range(500), method="head"), "HEAD / at port 80 answered 0–499"),
        (wait.http(status=[200, 404], body="ok"), "GET / at port 80 answered 200, 404 and 'ok' in its body"),
        (wait.http(status=check), "GET / at port 80 answered check"),
    ],
    ids=str,
)
def test_words(wanted: wait.Wait, words: str) -> None:
    assert str(wanted) == words


def bad(make: Any, words: str) -> Any:
    return pytest.param(make, words, id=words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        bad(lambda: wait.port(0), "a port is a number from 1 to 65535, not 0"),
        bad(lambda: wait.port("80"), "a port is a number from 1 to 65535, not '80'"),  # pyright: ignore[reportArgumentType]
        bad(lambda: wait.log(""), "the text must be a non-empty string"),
        bad(lambda: wait.log("x", times=0), "times must be a number from 1 up"),
        bad(lambda: wait.log("(", regex=True), "is no regular expression"),
        bad(lambda: wait.log("x", stream="both"), "stream must be 'stdout' or 'stderr', not 'both'"),  # pyright: ignore[reportArgumentType]
        bad(lambda: wait.exit(256), "an exit code is a number from 0 to 255, or None for any, not 256"),
        bad(lambda: wait.command(""), "wait.command: the command is empty"),
        bad(lambda: wait.command("a 'b"), "cannot be split into words"),
        bad(lambda: wait.command("a", exit_code=-1), "an exit code is a number from 0 to 255, not -1"),
        bad(lambda: wait.file("tmp/x"), "the path must be absolute, not 'tmp/x'"),
        bad(lambda: wait.callable(True), "True is no function of the container"),  # pyright: ignore[reportArgumentType]
        bad(wait.all, "wait.all takes conditions such as wait.port"),
        bad(lambda: wait.any(wait.port(1), 80), "takes conditions such as wait.port.80., not 80"),  # pyright: ignore[reportArgumentType]
        bad(lambda: wait.port(1).within(0), "a limit is a number of seconds above 0, not 0"),
        bad(lambda: wait.http("health"), "the path must begin with / and have no spaces, not 'health'"),
        bad(lambda: wait.http(port=0), "a port is a number from 1 to 65535, not 0"),
        bad(lambda: wait.http(method="GE T"), "method must be GET, HEAD, POST or so, not 'GE T'"),
        bad(lambda: wait.http(status="200"), "status must be a number, a range of numbers or a function, not '200'"),  # pyright: ignore[reportArgumentType]
        bad(lambda: wait.http(status=range(0)), "status must be a number, a range of numbers or a function"),
        bad(lambda: wait.http(body=b"x"), "body must be text or a compiled regular expression of text"),  # pyright: ignore[reportArgumentType]
        bad(lambda: wait.http(headers={"A": "b\n"}), "headers must map names to text, but hold 'A'"),
        bad(lambda: wait.http(auth="me"), "auth must be a pair of texts: user and password"),  # pyright: ignore[reportArgumentType]
        bad(lambda: wait.http(ca="/no/such.pem"), "ca='/no/such.pem' is no file"),
    ],
)
def test_bad_arguments_are_named(make: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        make()
