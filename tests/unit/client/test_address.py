"""Addresses of engines, and what the environment says of TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_containers.client import EngineUnreachable
from pytest_containers.client.address import TLS, Address, parse_address

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_TLS_VERIFY", "DOCKER_TLS", "DOCKER_CERT_PATH", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:///run/d.sock", Address("unix:///run/d.sock", path="/run/d.sock")),
        ("/run/d.sock", Address("unix:///run/d.sock", path="/run/d.sock")),
        ("tcp://h:99", Address("tcp://h:99", host="h", port=99)),
        ("tcp://h", Address("tcp://h", host="h", port=2375)),
        ("tcp://[::1]:99/", Address("tcp://[::1]:99/", host="::1", port=99)),
        ("ssh://h", Address("ssh://h", host="h", ssh=True)),
        ("ssh://me@h:22/", Address("ssh://me@h:22/", host="h", port=22, ssh=True, user="me")),
        ("ssh://h/run/p.sock", Address("ssh://h/run/p.sock", path="/run/p.sock", host="h", ssh=True)),
    ],
)
def test_addresses(url: str, address: Address) -> None:
    assert parse_address(url) == address
    assert address.local == (url[:1] in "/u")


@pytest.mark.parametrize(
    "url",
    [
        "unix://",
        "unix://host/path",
        "ftp://x",
        "tcp://x:port",
        "tcp://h/path",
        "ssh://",
        "ssh://-oProxyCommand=x",
        "ssh://-l@h",
        "ssh://a:b@h",
        "ssh://h/x?y",
        "moon",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(EngineUnreachable, match="bad engine address"):
        parse_address(url)


@pytest.mark.parametrize(("name", "verify"), [("DOCKER_TLS_VERIFY", True), ("DOCKER_TLS", False)])
def test_tls_as_dockers_command_takes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, *, verify: bool
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv(name, "1")
    assert parse_address("tcp://h") == Address("tcp://h", host="h", port=2376, tls=TLS("", "", "", verify))
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("DOCKER_CERT_PATH", str(own))
    for file in ("ca.pem", "cert.pem", "key.pem"):
        (own / file).touch()
    files = [str(own / file) for file in ("ca.pem", "cert.pem", "key.pem")]
    assert parse_address("tcp://h:1").tls == TLS(*files, verify)
    assert parse_address("unix:///x").tls is None
    (own / "key.pem").unlink()
    with pytest.raises(EngineUnreachable, match=r"TLS needs both cert\.pem and key\.pem, and .*/own has only one"):
        parse_address("tcp://h:1")


def test_certificates_alone_ask_for_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "")
    assert parse_address("tcp://h").tls is None
