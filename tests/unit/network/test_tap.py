"""What is asked of pasta and slirp4netns."""

from __future__ import annotations

import pytest

from container_runtime.errors import EngineError
from container_runtime.network import tap
from container_runtime.network.pools import parse_subnet


def test_the_command_lines() -> None:
    subnet = parse_subnet("203.0.113.0/24")
    pasta = tap.PROGRAMS["pasta"].words(subnet)
    assert pasta[-2:] == ["--netns", "NAMESPACE"]
    assert pasta[pasta.index("-a") + 1] == "203.0.113.2"
    assert pasta[pasta.index("-g") + 1] == "203.0.113.1"
    assert "--no-map-gw" in pasta
    slirp = tap.PROGRAMS["slirp4netns"].words(subnet)
    assert "--cidr=203.0.113.0/24" in slirp
    assert "--disable-host-loopback" in slirp
    assert slirp[-2:] == ["NAMESPACE", "outside"]


def test_what_the_environment_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tap.VARIABLE, raising=False)
    assert tap.wanted() == "relay"
    monkeypatch.setenv(tap.VARIABLE, "pasta")
    assert tap.wanted() == "pasta"
    monkeypatch.setenv(tap.VARIABLE, "nonsense")
    with pytest.raises(EngineError, match="must be relay, pasta or slirp4netns"):
        tap.wanted()


@pytest.mark.parametrize(("used", "free"), [
    ([], "203.0.113.0/24"),
    (["10.0.0.0/8"], "203.0.113.0/24"),
    (["203.0.113.128/25"], "198.51.100.0/24"),
    (["203.0.113.0/24", "198.51.0.0/16"], "192.0.2.0/24"),
])  # fmt: skip
def test_addresses_that_are_nowhere_in_use(used: list[str], free: str) -> None:
    networks = [(subnet.base, subnet.prefix) for subnet in map(parse_subnet, used)]
    assert str(tap.free_subnet(networks)) == free
