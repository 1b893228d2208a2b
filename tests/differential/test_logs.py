"""Logs: selection, times, following."""

import calendar
import hashlib
import re
import time

import pytest

from tests.differential.client import by_stream, frames
from tests.differential.same import same

SCRIPT = "for i in 1 2 3 4 5; do echo out $i; echo error $i >&2; done"
QUERIES = {
    "both": {"stdout": 1, "stderr": 1},
    "output": {"stdout": 1},
    "errors": {"stderr": 1},
    "words for yes": {"stdout": "true", "stderr": "yes"},
    "words for no": {"stdout": 1, "stderr": "false"},
    "the last none": {"stdout": 1, "tail": 0},
    "the last thousand": {"stdout": 1, "tail": 1000},
    "all": {"stdout": 1, "tail": "all"},
    "a negative tail": {"stdout": 1, "tail": -1},
    "since the future": {"stdout": 1, "since": 32503680000},
    "since the past": {"stdout": 1, "since": "1.5"},
    "until the past": {"stdout": 1, "until": 1},
    "until the future": {"stdout": 1, "until": 32503680000},
    "following what has ended": {"stdout": 1, "follow": 1},
}
REFUSED = {
    "no stream": {},
    "since nonsense": {"stdout": 1, "since": "nonsense"},
    "until nonsense": {"stdout": 1, "until": "nonsense"},
}


@pytest.mark.parametrize("what", QUERIES)
@same
def test_queries(api, what):
    one = api.run("sh", "-c", SCRIPT)
    api.wait(one)
    answer = api.get(f"/containers/{one}/logs", **QUERIES[what])
    return answer.status, answer.headers.get("Content-Type"), by_stream(answer.body)


@pytest.mark.parametrize("what", REFUSED)
@same
def test_refused(api, what):
    one = api.create()
    return api.get(f"/containers/{one}/logs", **REFUSED[what]).status


@same
def test_of_nobody(api):
    answer = api.get("/containers/nobody/logs", stdout=1)
    return answer.status, answer.message


@same
def test_of_what_has_not_started(api):
    answer = api.get(f"/containers/{api.create()}/logs", stdout=1)
    return answer.status, answer.body


TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z "


@same
def test_timestamps(api):
    one = api.run("sh", "-c", "echo one; echo two")
    api.wait(one)
    output = by_stream(api.get(f"/containers/{one}/logs", stdout=1, timestamps=1).body)[1]
    return re.sub(TIME, b"TIME ", output)


def seconds(moment):
    """A time stamp as the API wants it: seconds since 1970, with all nine digits of a fraction."""
    whole, fraction = moment.removesuffix("Z").split(".")
    return f"{calendar.timegm(time.strptime(whole, '%Y-%m-%dT%H:%M:%S'))}.{fraction}"


@same
def test_between_two_moments(api):
    one = api.run("sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.05; done")
    api.wait(one)
    stamped = by_stream(api.get(f"/containers/{one}/logs", stdout=1, timestamps=1).body)[1].decode()
    moments = [seconds(line.split()[0]) for line in stamped.splitlines()]
    since = api.get(f"/containers/{one}/logs", stdout=1, since=moments[1]).body
    until = api.get(f"/containers/{one}/logs", stdout=1, until=moments[1]).body
    return by_stream(since), by_stream(until)


@same
def test_following(api):
    one = api.run("sh", "-c", "echo one; read line; echo two", OpenStdin=True, StdinOnce=True)
    with api.begin("GET", f"/containers/{one}/logs", stdout=1, follow=1) as answer:
        first = answer.read(12)
        api.hijack(f"/containers/{one}/attach", stream=1, stdin=1).send(b"\n")
        return frames(first + answer.read())


@same
def test_following_the_last_line(api):
    one = api.run("sh", "-c", "echo one; echo two; sleep 600")
    api.follow(one, b"two")
    with api.begin("GET", f"/containers/{one}/logs", stdout=1, follow=1, tail=1) as answer:
        first = answer.read(12)
        api.post(f"/containers/{one}/kill")
        return frames(first + answer.read())


@same
def test_terminal(api):
    one = api.run("sh", "-c", SCRIPT, Tty=True)
    api.wait(one)
    answer = api.get(f"/containers/{one}/logs", stdout=1)
    return answer.headers.get("Content-Type"), answer.body


@same
def test_a_burst_and_then_the_end(api):
    one = api.run("seq", "10000")
    api.wait(one)
    return {stream: (len(data), hashlib.md5(data).hexdigest()) for stream, data in api.output(one).items()}


@pytest.mark.parametrize("size", [16384, 16385, 100_000])
@same
def test_long_lines(api, size):
    one = api.run("sh", "-c", f"head -c {size} /dev/zero | tr '\\000' x; echo; echo after")
    api.wait(one)
    return {stream: (len(data), data[-8:]) for stream, data in api.output(one).items()}


@same
def test_any_bytes(api):
    one = api.run("printf", "a\\000b\\377\\n\\303\\244\\nno end")
    api.wait(one)
    return api.output(one)


@same
def test_the_last_lines_of_both(api):
    one = api.run(
        "sh", "-c", "for i in 1 2 3; do echo out $i; done; sleep 0.1; for i in 1 2; do echo error $i >&2; done"
    )
    api.wait(one)
    return frames(api.get(f"/containers/{one}/logs", stdout=1, stderr=1, tail=3).body)
