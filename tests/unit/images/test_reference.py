import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.errors import InvalidParameter
from container_runtime.images.reference import Reference, parse

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("redis", "docker.io/library/redis:latest", "redis:latest"),
        ("redis:7", "docker.io/library/redis:7", "redis:7"),
        ("bitnami/redis:7.2", "docker.io/bitnami/redis:7.2", "bitnami/redis:7.2"),
        ("docker.io/redis", "docker.io/library/redis:latest", "redis:latest"),
        ("index.docker.io/library/redis", "docker.io/library/redis:latest", "redis:latest"),
        ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
        ("localhost:5000/a/b:v1", "localhost:5000/a/b:v1", "localhost:5000/a/b:v1"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest", "127.0.0.1:5000/a:latest"),
        ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
        ("quay.io/a/b", "quay.io/a/b:latest", "quay.io/a/b:latest"),
        (f"redis@{DIGEST}", f"docker.io/library/redis@{DIGEST}", f"redis@{DIGEST}"),
        (f"redis:7@{DIGEST}", f"docker.io/library/redis:7@{DIGEST}", f"redis:7@{DIGEST}"),
        ("a__b/c-d.e", "docker.io/a__b/c-d.e:latest", "a__b/c-d.e:latest"),
    ],
)
def test_names_are_read_as_docker_reads_them(text: str, canonical: str, familiar: str) -> None:
    reference = parse(text)
    assert (reference.canonical, reference.familiar) == (canonical, familiar)


@pytest.mark.parametrize(
    "text",
    ["", " ", "Redis", "redis:", ":7", "redis:.x", "a//b", "/a", "a/", "../a", "a@sha256:12", "a@md5:" + "0" * 32,
     "0" * 64, "a" * 256, "redis:" + "x" * 129, "a b", "a\nb", "-a", "host\0", "http://a/b", "a:b:c", "a/b:7\n"],
)  # fmt: skip
def test_what_is_no_name_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^invalid reference format"):
        parse(text)


component = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+){0,2}", fullmatch=True)
references = st.builds(
    Reference,
    registry=st.sampled_from(["localhost", "localhost:5000", "quay.io", "10.0.0.1:443"]),
    repository=st.lists(component, min_size=2, max_size=4).map("/".join),
    tag=st.from_regex(r"\w[\w.-]{0,20}", fullmatch=True, alphabet=string.printable),
    digest=st.sampled_from([None, DIGEST]),
)


@given(references)
def test_both_forms_are_read_back_as_they_were(reference: Reference) -> None:
    assert parse(reference.canonical) == reference
    assert parse(reference.familiar) == reference


@given(st.tuples(component, component).filter(lambda pair: pair[0] != "localhost" and "." not in pair[0]))
def test_docker_hub_is_left_out_and_understood(pair: tuple[str, str]) -> None:
    reference = Reference("docker.io", "/".join(pair), "7")
    assert parse(reference.canonical) == parse(reference.familiar) == reference
    assert not reference.familiar.startswith(("docker.io", "library/"))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        reference = parse(text)
    except InvalidParameter:
        return
    assert parse(reference.canonical) == reference
    assert ".." not in reference.repository.split("/")
    assert reference.canonical.isascii()
