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
        "StopSignal": "SIGINT",
        "User": "app:app",
        "Volumes": {"/data": {}, "/a b": {}},
        "WorkingDir": "/srv",
    }


@pytest.mark.parametrize(
    "change", ["RUN ls", "", "CMD", "EXPOSE http", "EXPOSE 70000", "ENV =x", 'ENV "a=b', "LABEL a=b c"]
)
def test_a_wrong_instruction_is_quoted(change: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^change"):
        apply_changes({}, [change])
