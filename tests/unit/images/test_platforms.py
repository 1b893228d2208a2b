from typing import Any

import pytest

from container_runtime.errors import InvalidParameter
from container_runtime.images.platforms import Platform, choose, parse_platform


def entry(architecture: str, variant: str = "", system: str = "linux") -> dict[str, Any]:
    return {
        "platform": {"os": system, "architecture": architecture, "variant": variant},
        "digest": architecture + variant,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("arm64", "linux/arm64/v8"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("Linux/ARM64", "linux/arm64/v8"),
    ],
)
def test_platforms_are_normalised(text: str, expected: str) -> None:
    assert str(parse_platform(text)) == expected


@pytest.mark.parametrize("text", ["linux/", "/", "a/b/c/d", "//"])
def test_a_malformed_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid platform"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Platform("linux", "amd64"), "amd64"),
        (Platform("linux", "arm64", "v8"), "arm64"),
        (Platform("linux", "arm", "v7"), "armv7"),
        (Platform("linux", "arm", "v6"), "armv6"),
        (Platform("linux", "s390x"), None),
        (Platform("windows", "arm64"), None),
    ],
)
def test_the_best_fit_is_chosen(wanted: Platform, expected: str | None) -> None:
    entries = [
        entry("amd64", "v3"), entry("amd64"), entry("amd64", system="windows"), entry("arm64"),
        entry("arm", "v5"), entry("arm", "v7"), entry("arm", "v6"), {"digest": "nothing declared"},
    ]  # fmt: skip
    chosen = choose(wanted, entries)
    assert (chosen and chosen["digest"]) == expected


def test_amd64_v3_is_not_taken_unasked() -> None:
    assert choose(Platform("linux", "amd64"), [entry("amd64", "v3")]) is None
