"""Attach: what a hijacked connection carries."""

import pytest

from tests.differential.client import by_stream, frames
from tests.differential.same import same

BOTH = {"stream": 1, "stdout": 1, "stderr": 1}


def attached(api, *command, query=BOTH, **config):
    """A container that starts when somebody is attached to it."""
    one = api.create(*command, **config)
    stream = api.hijack(f"/containers/{one}/attach", **query)
    api.ok("POST", f"/containers/{one}/start")
    return one, stream


@same
def test_output_from_the_beginning(api):
    _, stream = attached(api, "sh", "-c", "echo out; echo error >&2")
    return stream.status, by_stream(stream.read())


@same
def test_order_within_a_stream(api):
    _, stream = attached(api, "seq", "10000")
    return frames(stream.read())


@pytest.mark.parametrize("query", [{"stream": 1, "stdout": 1}, {"stream": 1, "stderr": 1}, {"stream": 1}])
@same
def test_one_stream(api, query):
    _, stream = attached(api, "sh", "-c", "echo out; echo error >&2; sleep 0.2", query=query)
    return by_stream(stream.read()) if len(query) > 1 else "no answer is compared"


@pytest.mark.parametrize("upgrade", [True, False])
@pytest.mark.parametrize("tty", [True, False])
@same
def test_heads(api, tty, upgrade):
    one = api.run(Tty=tty)
    stream = api.hijack(f"/containers/{one}/attach", upgrade=upgrade, **BOTH)
    stream.connection.close()
    return stream.status, stream.headers.get("content-type"), stream.headers.get("upgrade")


@same
def test_input_to_its_end(api):
    query = {**BOTH, "stdin": 1}
    one, stream = attached(api, "cat", query=query, OpenStdin=True, StdinOnce=True)
    stream.send(b"one\ntwo")
    stream.end_input()
    return by_stream(stream.read()), api.wait(one)


@same
def test_much_input(api):
    _, stream = attached(api, "md5sum", query={**BOTH, "stdin": 1}, OpenStdin=True, StdinOnce=True)
    for _ in range(64):
        stream.send(b"0123456789abcdef" * 4096)
    stream.end_input()
    return by_stream(stream.read())


@same
def test_input_that_was_not_opened(api):
    one = api.create("cat")
    stream = api.hijack(f"/containers/{one}/attach", stdin=1, **BOTH)
    api.ok("POST", f"/containers/{one}/start")
    return api.wait(one), by_stream(stream.read())


@same
def test_terminal_echo_and_interrupt(api):
    query = {**BOTH, "stdin": 1}
    script = "trap 'echo caught; exit 4' INT; echo ready; while :; do read line; echo got $line; done"
    one, stream = attached(api, "sh", "-c", script, query=query, Tty=True, OpenStdin=True)
    seen = stream.read_until(b"ready\r\n")
    stream.send(b"word\n")
    seen += stream.read_until(b"got word\r\n")
    stream.send(b"\x03")
    return seen + stream.read(), api.wait(one)


@same
def test_size_of_the_terminal(api):
    one = api.create(
        "sh", "-c", "stty size; read line; stty size", Tty=True, OpenStdin=True, Host={"ConsoleSize": [20, 70]}
    )
    stream = api.hijack(f"/containers/{one}/attach", stdin=1, **BOTH)
    api.ok("POST", f"/containers/{one}/start")
    stream.read_until(b"\n")
    status = api.post(f"/containers/{one}/resize", h=33, w=77).status
    stream.send(b"\n")
    return status, stream.read()


@same
def test_what_was_written_before(api):
    one = api.run("sh", "-c", "echo before; sleep 600")
    api.follow(one, b"before")
    stream = api.hijack(f"/containers/{one}/attach", logs=1, **BOTH)
    seen = stream.read_until(b"before\n")
    api.ok("POST", f"/containers/{one}/kill")
    return by_stream(seen + stream.read())


@same
def test_not_what_was_written_before(api):
    one = api.run("sh", "-c", "echo before; read line; echo after", OpenStdin=True, StdinOnce=True)
    api.follow(one, b"before")
    stream = api.hijack(f"/containers/{one}/attach", stdin=1, **BOTH)
    stream.send(b"\n")
    return by_stream(stream.read())


@same
def test_two_at_once(api):
    one = api.create("sh", "-c", "echo both")
    streams = [api.hijack(f"/containers/{one}/attach", **BOTH) for _ in range(2)]
    api.ok("POST", f"/containers/{one}/start")
    return [by_stream(stream.read()) for stream in streams]


@same
def test_output_without_an_end_of_line(api):
    _, stream = attached(api, "printf", "a\\000b\\377c")
    return by_stream(stream.read())


@same
def test_attached_to_nobody(api):
    answer = api.post("/containers/nobody/attach", **BOTH)
    return answer.status, answer.message
