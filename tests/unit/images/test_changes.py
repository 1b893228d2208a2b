from typing import Any

import pytest

from container_runtime.errors import InvalidParameter
from container_runtime.images.changes import apply_changes


def test_every_instruction() -> None:
    config: dict[str, Any] = {"Env": ["A=1", "B=2"]}
    apply_changes(
        config,
        [
            'CMD ["redis-server", "--save", ""]',
            "entrypoint exec tini",
            'ENV A=3 C="with space"',
            "ENV OLD form of it",
            "EXPOSE 80 53/udp",
            "LABEL a=b",
            "ONBUILD RUN make",
            "STOPSIGNAL SIGINT",
            "USER app:app",
            "VOLUME /data",
            'VOLUME ["/a b"]',
            "WORKDIR /srv",
        ],
    )
    assert config == {
        "Cmd": ["redis-server", "--save", ""],
        "Entrypoint": ["/bin/sh", "-c", "exec tini"],
        "Env": ["B=2", "A=3", "C=with space", "OLD=form of it"],
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Labels": {"a": "b"},
        "OnBuild": ["RUN make"],
        "StopSignal": "SIGINT",
        "User": "app:app",
        "Volumes": {"/data": {}, "/a b": {}},
        "WorkingDir": "/srv",
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("NONE", {"Test": ["NONE"]}),
        ("CMD curl -f localhost", {"Test": ["CMD-SHELL", "curl -f localhost"]}),
        ('cmd ["curl", "-f"]', {"Test": ["CMD", "curl", "-f"]}),
        (
            "--interval=1m30s --timeout=1.5s --start-period=0s --start-interval=500ms --retries=3 CMD true",
            {"Test": ["CMD-SHELL", "true"], "Interval": 90 * 10**9, "Timeout": 1_500_000_000, "StartPeriod": 0,
             "StartInterval": 500_000_000, "Retries": 3},
        ),
    ],
)  # fmt: skip
def test_health_checks(change: str, expected: dict[str, Any]) -> None:
    config: dict[str, Any] = {}
    apply_changes(config, [f"HEALTHCHECK {change}"])
    assert config["Healthcheck"] == expected


def test_several_lines_and_continued_ones() -> None:
    config: dict[str, Any] = {}
    apply_changes(config, ["USER a\n# a comment\n\nWORKDIR /b", "ENV A=1 \\\n  B=2"])
    assert config == {"User": "a", "WorkingDir": "/b", "Env": ["A=1", "B=2"]}


def test_what_is_no_instruction_is_named() -> None:
    with pytest.raises(InvalidParameter, match=r"^RUN is not a valid change command"):
        apply_changes({}, ["RUN ls"])


@pytest.mark.parametrize(
    "change",
    [
        "HEALTHCHECK", "HEALTHCHECK NONE x", "HEALTHCHECK CMD", "HEALTHCHECK --interval=1 CMD x",
        "HEALTHCHECK --interval=1us CMD x", "HEALTHCHECK --retries=x CMD x", "HEALTHCHECK --foo=1 CMD x",
        "ONBUILD ONBUILD RUN x", "CMD", "EXPOSE http", "EXPOSE 70000", "ENV =x", 'ENV "a=b', "LABEL a=b c",
    ],
)  # fmt: skip
def test_a_wrong_instruction_is_quoted(change: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^change"):
        apply_changes({}, [change])
