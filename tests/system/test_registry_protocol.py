"""What Debian's registry does not do by itself: tokens, limits, broken connections, redirects; by a small server."""

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from container_runtime.errors import EngineError, NotFound, Unauthorized, Unavailable
from container_runtime.images.store import ImageStore
from tests.registry import Layer, write_layout

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Behaviour:
    """How the server behaves, and what it has seen."""

    def __init__(self, layout: Path) -> None:
        self.layout = layout
        self.manifest = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
        self.token: str | None = None
        self.account: str | None = None
        self.refuse: tuple[int, str] | None = None
        self.cut = 0
        self.endless = False
        self.redirect = False
        self.seen: list[tuple[str, str]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        behaviour = self.behaviour
        authorization = self.headers.get("Authorization", "")
        behaviour.seen.append((self.path, authorization))
        address = urlsplit(self.path)
        if address.path == "/token":
            self.give_token(parse_qs(address.query), authorization)
        elif behaviour.refuse:
            status, code = behaviour.refuse
            self.answer(status, json.dumps({"errors": [{"code": code, "message": "as the test wants"}]}).encode())
        elif address.path.startswith("/cdn/"):
            self.give_blob(address.path.rpartition("/")[2])
        elif behaviour.token and authorization != f"Bearer {behaviour.token}":
            host = self.headers["Host"]
            challenge = f'Bearer realm="http://{host}/token",service="tests",scope="repository:a/b:pull"'
            self.answer(401, WWW_Authenticate=challenge)
        elif "/manifests/" in address.path:
            data = (behaviour.layout / "blobs/sha256" / behaviour.manifest[7:]).read_bytes()
            self.answer(200, data, Content_Type=MANIFEST)
        elif behaviour.redirect:
            port = self.server.server_address[1]
            self.answer(307, Location=f"http://localhost:{port}/cdn/{address.path.rpartition(':')[2]}")
        else:
            self.give_blob(address.path.rpartition(":")[2])

    def give_token(self, query: dict[str, list[str]], authorization: str) -> None:
        behaviour = self.behaviour
        assert query == {"service": ["tests"], "scope": ["repository:a/b:pull"]}
        expected = "Basic " + base64.b64encode((behaviour.account or "").encode()).decode()
        if behaviour.account and authorization != expected:
            self.answer(401)
        else:
            self.answer(200, json.dumps({"token": behaviour.token}).encode())

    def give_blob(self, digest: str) -> None:
        behaviour = self.behaviour
        data = (behaviour.layout / "blobs/sha256" / digest).read_bytes()
        if behaviour.endless:
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"\0" * 65536)
            except OSError:
                self.close_connection = True
        elif behaviour.cut and len(data) > 1000:
            behaviour.cut -= 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        else:
            self.answer(200, data)


@pytest.fixture
def behaviour(tmp_path: Path) -> Behaviour:
    noise = os.urandom(20_000)  # so that it stays large when packed
    write_layout(tmp_path / "layout", [Layer().add("f", data=noise).bytes()])
    return Behaviour(tmp_path / "layout")


@pytest.fixture
def name(behaviour: Behaviour) -> Iterator[str]:
    handler = type("OfTest", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}/a/b:v1"
        server.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ImageStore]:
    store = ImageStore(tmp_path / "data")
    yield store
    store.close()


def test_a_token_is_fetched_once_and_used(behaviour: Behaviour, name: str, store: ImageStore) -> None:
    behaviour.token = "t0ken"
    assert store.pull(name).repo_tags == (name,)
    assert sum(path.startswith("/token") for path, _ in behaviour.seen) == 1
    assert all(used == "Bearer t0ken" for path, used in behaviour.seen[2:])


def test_a_token_for_an_account(behaviour: Behaviour, name: str, store: ImageStore) -> None:
    behaviour.token, behaviour.account = "t0ken", "me:secret"
    with pytest.raises(Unauthorized, match=r"the token server .* refuses access"):
        store.pull(name)
    with pytest.raises(Unauthorized, match=r"the token server .* refuses access"):
        store.pull(name, auth={"username": "me", "password": "wrong"})
    assert store.pull(name, auth={"username": "me", "password": "secret"}).repo_tags == (name,)


def test_credentials_do_not_follow_a_redirect_to_another_host(
    behaviour: Behaviour, name: str, store: ImageStore
) -> None:
    behaviour.token, behaviour.redirect = "t0ken", True
    store.pull(name)
    redirected = [used for path, used in behaviour.seen if path.startswith("/cdn/")]
    assert redirected
    assert not any(redirected)


def test_a_limit_of_pulls_is_named(behaviour: Behaviour, name: str, store: ImageStore) -> None:
    behaviour.refuse = (429, "TOOMANYREQUESTS")
    with pytest.raises(Unavailable, match=r"429: toomanyrequests.*MIRROR.*as the test wants"):
        store.pull(name)


def test_an_unknown_repository_is_access_denied_as_docker_says(
    behaviour: Behaviour, name: str, store: ImageStore
) -> None:
    behaviour.refuse = (404, "NAME_UNKNOWN")
    with pytest.raises(NotFound, match=r"pull access denied for .*/a/b, repository does not exist or may require"):
        store.pull(name)


def test_a_fault_of_the_registry_is_not_ours(behaviour: Behaviour, name: str, store: ImageStore) -> None:
    behaviour.refuse = (500, "UNKNOWN")
    with pytest.raises(Unavailable, match=r"registry 127.0.0.1:\d+ answers 500 for .*: UNKNOWN: as the test wants"):
        store.pull(name)


def test_a_broken_transfer_is_tried_again(behaviour: Behaviour, name: str, store: ImageStore) -> None:
    behaviour.cut = 2
    assert store.pull(name).repo_tags == (name,)
    assert behaviour.cut == 0


def test_a_transfer_that_breaks_every_time_is_an_error(
    behaviour: Behaviour, name: str, store: ImageStore, tmp_path: Path
) -> None:
    behaviour.cut = 100
    with pytest.raises(Unavailable, match=r"the connection to registry .* broke during blob|sent .* bytes of"):
        store.pull(name)
    assert not list((tmp_path / "data/images").glob("layers/*"))
    assert list((tmp_path / "data/images/sessions").glob("*/temporary/*")) == []


def test_a_blob_without_end_is_cut_off(behaviour: Behaviour, name: str, store: ImageStore) -> None:
    behaviour.endless = True
    with pytest.raises(EngineError, match=r"sends more than the \d+ bytes"):
        store.pull(name)


def test_a_manifest_that_does_not_fit_its_digest_is_refused(name: str, store: ImageStore) -> None:
    wanted = name.replace(":v1", "@sha256:" + "1" * 64)
    with pytest.raises(EngineError, match="sent a manifest with digest"):
        store.pull(wanted)


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{}", b'{"layers": 3}', b"\xff" * 10, b"[" * 100_000])
def test_nonsense_is_refused(behaviour: Behaviour, name: str, store: ImageStore, manifest: bytes) -> None:
    digest = hashlib.sha256(manifest).hexdigest()
    (behaviour.layout / "blobs/sha256" / digest).write_bytes(manifest)
    behaviour.manifest = f"sha256:{digest}"
    with pytest.raises(EngineError):
        store.pull(name)
