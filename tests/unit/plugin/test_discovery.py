"""Where engines of other people are found."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_containers import discovery, locate
from pytest_containers.client.address import TLS
from pytest_containers.client.errors import EngineUnreachable
from pytest_containers.errors import NoEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_containers.engine import Engine


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without anything, and no Docker on the machine."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_TLS", "CONTAINER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(discovery, "DOCKER_SOCKET", str(tmp_path / "var.sock"))
    monkeypatch.setattr(locate, "_why_not_embedded", lambda: "the embedded engine is not for today")
    return tmp_path


@pytest.fixture
def listen() -> Iterator[Callable[[Path], str]]:
    opened: list[socket.socket] = []

    def listen(path: Path) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened.append(socket.socket(socket.AF_UNIX))
        opened[-1].bind(str(path))
        opened[-1].listen()
        return f"unix://{path}"

    yield listen
    for each in opened:
        each.close()


def find(choice: str) -> Engine:
    return locate.locate(choice, Path("/run/x/run-x"), 1, shared=False, timeout=1, log_lines=1)


def make_context(home: Path, name: str, endpoint: object, *files: str) -> None:
    digest = sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / digest
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    tls = home / ".docker/contexts/tls" / digest / "docker"
    tls.mkdir(parents=True)
    for file in files:
        (tls / file).touch()


def test_docker_host_is_the_last_word(
    home: Path, listen: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(home / "var.sock")
    make_context(home, "far", {"Host": "tcp://far:1"})
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1")
    for choice in ("auto", "docker"):
        engine = find(choice)
        assert (engine.url, engine.origin, engine.published_host) == ("tcp://10.0.0.1", "DOCKER_HOST", "10.0.0.1")
    monkeypatch.setenv("DOCKER_HOST", "moon")
    with pytest.raises(NoEngine, match="no container engine: DOCKER_HOST: bad engine address 'moon'"):
        find("auto")


def test_context_of_dockers_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_context(home, "plain", {"Host": "tcp://far:1", "SkipTLSVerify": False})
    make_context(home, "safe", {"Host": "tcp://far:1", "SkipTLSVerify": False}, "ca.pem", "cert.pem", "key.pem")
    make_context(home, "lax", {"Host": "tcp://far", "SkipTLSVerify": True})
    make_context(home, "shell", {"Host": "ssh://me@far"})
    config = home / ".docker/config.json"
    config.write_text(json.dumps({"currentContext": "plain"}))
    assert find("auto").origin == f"docker context 'plain' ({config})"
    assert find("docker").address.tls is None
    monkeypatch.setenv("DOCKER_CONTEXT", "safe")
    engine, tls = find("docker"), home / ".docker/contexts/tls" / sha256(b"safe").hexdigest() / "docker"
    assert engine.address.tls == TLS(*(str(tls / name) for name in ("ca.pem", "cert.pem", "key.pem")), True)
    assert engine.origin == "docker context 'safe' (DOCKER_CONTEXT)"
    monkeypatch.setenv("DOCKER_CONTEXT", "lax")
    assert (find("docker").address.port, find("docker").address.tls) == (2376, TLS("", "", "", False))
    monkeypatch.setenv("DOCKER_CONTEXT", "shell")
    assert find("docker").address[:4] == ("ssh://me@far", "", "far", 0)


@pytest.mark.parametrize(
    ("endpoint", "files", "words"),
    [
        ({"Host": "moon"}, (), "bad engine address 'moon'"),
        ({"Port": 1}, (), r"meta\.json names no host for docker"),
        ("moon", (), r"meta\.json names no host for docker"),
        ({"Host": "tcp://far:1"}, ("key.pem",), r"TLS needs both cert\.pem and key\.pem"),
    ],
)
def test_context_that_cannot_be_used(
    home: Path, monkeypatch: pytest.MonkeyPatch, endpoint: object, files: tuple[str, ...], words: str
) -> None:
    make_context(home, "far", endpoint, *files)
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    with pytest.raises(NoEngine, match=rf"no container engine: docker context 'far' \(DOCKER_CONTEXT\): .*{words}"):
        find("auto")


def test_context_that_is_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "../../x")
    with pytest.raises(NoEngine, match="there is no such context, see `docker context ls`"):
        find("docker")
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    with pytest.raises(NoEngine, match="docker context: none chosen"):
        find("docker")
    monkeypatch.delenv("DOCKER_CONTEXT")
    (home / ".docker").mkdir()
    for text, words in (("{", "cannot be read"), ("[]", "is no JSON object")):
        (home / ".docker/config.json").write_text(text)
        with pytest.raises(NoEngine, match=words):
            find("docker")


@pytest.mark.parametrize(
    ("place", "who"),
    [
        ("var.sock", "Docker"),
        ("run/docker.sock", "rootless Docker"),
        (".docker/run/docker.sock", "Docker Desktop"),
        (".docker/desktop/docker.sock", "Docker Desktop"),
        (".colima/default/docker.sock", "Colima"),
        (".config/colima/default/docker.sock", "Colima"),
        (".rd/docker.sock", "Rancher Desktop"),
        (".orbstack/run/docker.sock", "OrbStack"),
        ("run/podman/podman.sock", "rootless Podman"),
    ],
)
def test_known_sockets(home: Path, listen: Callable[[Path], str], place: str, who: str) -> None:
    url = listen(home / place)
    engine = find("auto")
    assert (engine.url, engine.origin) == (url, who)
    if "Podman" in who:
        assert find("podman").url == url
        with pytest.raises(NoEngine):
            find("docker")


@pytest.mark.usefixtures("home")
def test_machine_of_podman_on_macos(listen: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with tempfile.TemporaryDirectory() as short:  # than tmp_path, which is too long for a socket
        monkeypatch.setenv("TMPDIR", short)
        url = listen(Path(short, "podman/podman-machine-default-api.sock"))
        assert find("auto").url == url
        assert find("podman").origin == "podman machine"


def test_container_host_is_podmans(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del home
    monkeypatch.setenv("CONTAINER_HOST", "ssh://core@127.0.0.1:5/run/podman.sock")
    assert find("podman").origin == "CONTAINER_HOST"


def test_all_that_was_tried_is_told(home: Path, listen: Callable[[Path], str]) -> None:
    listen(home / "gone.sock")
    (home / "gone.sock").rename(home / "var.sock")
    stale = home / ".rd/docker.sock"
    stale.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(stale))
    (home / ".orbstack").touch()
    (home / "var.sock").unlink()
    with pytest.raises(NoEngine) as caught:
        find("auto")
    lines = str(caught.value).splitlines()
    assert lines[0] == "no container engine (--containers-engine=auto); tried"
    assert lines[1:5] == [
        "  embedded: the embedded engine is not for today",
        "  DOCKER_HOST: not set",
        f"  docker context: none chosen (DOCKER_CONTEXT, {home}/.docker/config.json)",
        f"  {home}/var.sock (Docker): not there",
    ]
    assert f"  {stale} (Rancher Desktop): nobody listens" in lines
    assert f"  {home}/.orbstack/run/docker.sock (OrbStack): not there" in lines
    assert "  CONTAINER_HOST: not set" in lines
    assert lines[-1].startswith("start one of them, name it by DOCKER_HOST or --containers-engine")


def test_what_was_looked_at_does_not_end_at_a_path_that_is_too_long(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del home
    monkeypatch.setattr(discovery, "DOCKER_SOCKET", f"/{'x' * 200}")
    with pytest.raises(NoEngine, match=r"xxx \(Docker\): AF_UNIX path too long"):
        find("docker")


@pytest.mark.needs("ordinary")
def test_socket_of_somebody_else(home: Path, listen: Callable[[Path], str]) -> None:
    listen(home / "var.sock")
    (home / "var.sock").chmod(0)
    with pytest.raises(NoEngine, match=r"var\.sock \(Docker\): this user may not use it"):
        find("docker")


def test_errors_of_an_address_name_where_it_comes_from() -> None:
    with pytest.raises(EngineUnreachable):
        discovery.parse_address("moon")


OTHER_SYSTEM = """
import select, os, sys
for module, names in ((select, ["epoll", "EPOLLIN"]), (os, ["pidfd_open", "unshare", "setns", "memfd_create"])):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
sys.platform = "darwin"
import importlib, pathlib, pkgutil
import pytest, pytest_containers
names = [one.name for one in pkgutil.walk_packages(pytest_containers.__path__, "pytest_containers.")]
assert len(names) > 80
for name in names:
    if not name.startswith("pytest_containers.inside"):  # that is imported in a container
        importlib.import_module(name)
from pytest_containers.locate import locate
try:
    locate("embedded", pathlib.Path("/x"), 1, shared=False, timeout=1, log_lines=1)
except pytest_containers.ContainerError as error:
    print(error)
"""


def test_everything_can_be_imported_on_macos() -> None:
    done = subprocess.run([sys.executable, "-c", OTHER_SYSTEM], capture_output=True, text=True)
    assert "the embedded engine needs Linux, and this is darwin: see" in done.stdout, done.stderr
