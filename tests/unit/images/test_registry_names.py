import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.images.authentication import parse_challenge
from container_runtime.images.registry import endpoints, is_loopback


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("localhost", True), ("localhost:5000", True), ("127.0.0.1:5000", True), ("127.3.2.1", True),
        ("[::1]:5000", True), ("[::1]", True), ("10.0.0.1:5000", False), ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)  # fmt: skip
def test_plain_http_is_spoken_on_loopback_only(registry: str, expected: bool) -> None:
    assert is_loopback(registry) is expected
    assert endpoints(registry) == [("http://" if expected else "https://") + registry]


def test_mirrors_come_before_docker_hub_and_serve_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_CONTAINERS_REGISTRY_MIRROR", "127.0.0.1:5000, https://mirror.example/")
    assert endpoints("docker.io") == ["http://127.0.0.1:5000", "https://mirror.example", "https://registry-1.docker.io"]
    assert endpoints("quay.io") == ["https://quay.io"]


def test_a_challenge_is_taken_apart() -> None:
    header = 'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"'
    assert parse_challenge(header) == (
        "bearer",
        {"realm": "https://auth.example/token", "service": "registry", "scope": "repository:a/b:pull,push"},
    )
    assert parse_challenge('Basic realm="a \\"b\\""') == ("basic", {"realm": 'a "b"'})
    assert parse_challenge("") == ("", {})


@given(st.text(max_size=200))
def test_any_challenge_is_read(header: str) -> None:
    parse_challenge(header)
