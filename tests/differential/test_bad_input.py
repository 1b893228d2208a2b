"""What no well-behaved client sends."""

import pytest

from tests.differential.same import same


def status(answer):
    """The status line's number; None where the connection was just closed."""
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else None


REQUESTS = {
    "no HTTP": b"nonsense\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET /_ping HTTP/1.1\r\n\r\n",
    "an old version": b"GET /_ping HTTP/1.0\r\n\r\n",
    "a malformed header": b"GET /_ping HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
    "a malformed length": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    "a negative length": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a malformed chunk": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "giant headers": b"GET /_ping HTTP/1.1\r\nHost: x\r\nA: " + b"a" * (3 << 20) + b"\r\n\r\n",
    "a NUL in the path": b"GET /containers/a%00b/json HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": b"NONSENSE /_ping HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("what", REQUESTS)
@same
def test_malformed_requests(api, what):
    return status(api.raw(REQUESTS[what]))


PATHS = (
    ("GET", "/nonsense"),
    ("GET", "/"),
    ("GET", "/v1.44/_ping"),
    ("GET", "/v1.24/version"),
    ("GET", "/v1.10/version"),
    ("GET", "/v9.99/version"),
    ("GET", "/vnonsense/version"),
    ("PUT", "/containers/json"),
    ("GET", "/containers/create"),
    ("POST", "/version"),
    ("GET", "/containers"),
    ("GET", "/containers/nobody"),
    ("GET", "/containers/a%0Ab/json"),
    ("GET", "/version/"),
    ("DELETE", "/containers/nobody"),
    ("HEAD", "/version"),
)


@pytest.mark.parametrize(("method", "path"), PATHS)
@same
def test_paths(api, method, path):
    return api.call(method, path).status


BODIES = {
    "no JSON": b"nonsense",
    "half of one": b'{"Image": ',
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"7",
    "null": b"null",
    "nothing": b"",
    "two": b'{"Image": "tree:1"}{"Image": "tree:1"}',
    "no Unicode": b'{"Image": "\xff\xfe"}',
    "deep": b'{"Labels":' * 20_000 + b"1" + b"}" * 20_000,
}


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize("path", ["/containers/create", "/networks/create", "/volumes/create"])
@same
def test_bodies(api, path, what):
    answer = api.post(path, BODIES[what])
    if answer.status == 201:
        api.delete(f"{path.rpartition('/')[0]}/{answer.json.get('Id') or answer.json['Name']}")
    return answer.status


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-8", "nonsense", ""])
@same
def test_kinds_of_content(api, kind):
    body = b'{"Name": "%s"}' % api.name().encode()
    return api.call("POST", "/networks/create", body, headers={"Content-Type": kind}).status


@same
def test_errors_are_json(api):
    answers = [api.get("/nonsense"), api.get("/containers/nobody/json"), api.post("/containers/create", b"{")]
    return [(answer.status, answer.headers["Content-Type"], bool(answer.json["message"])) for answer in answers]


QUERIES = (
    ("POST", "/containers/{}/stop?t=nonsense"),
    ("POST", "/containers/{}/stop?signal=NONSENSE"),
    ("POST", "/containers/{}/restart?t=nonsense"),
    ("GET", "/containers/json?filters=nonsense"),
    ("GET", "/containers/{}/json?size=nonsense"),
    ("DELETE", "/containers/{}?force=0&v=nonsense"),
    ("POST", "/containers/{}/start?detachKeys=nonsense-keys"),
    ("GET", "/containers/{}/stats?stream=nonsense&one-shot=nonsense"),
    ("GET", "/containers/json?%zz=1"),
    ("GET", "/containers/json?a=1;b=2"),
)


@pytest.mark.parametrize("number", range(len(QUERIES)))
@same
def test_queries(api, number):
    method, path = QUERIES[number]
    return api.call(method, path.format(api.create())).status
