"""Docker 28.5 and ours, both with the same two images."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.differential.client import CONFIGURED, IMAGE, Api
from tests.differential.same import Ahead
from tests.engines import own_engine
from tests.peers import docker_28, podman
from tests.registry import busybox_layer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["docker_28", "podman"]

CONFIGURATION = (
    'CMD ["from", "image"]',
    'ENTRYPOINT ["echo"]',
    "ENV KIND=image",
    "ENV PATH=/bin",
    "EXPOSE 80/tcp",
    "LABEL of=image",
    "USER app",
    "VOLUME /data",
    "WORKDIR /home",
    "STOPSIGNAL SIGUSR1",
)
"""What the second image says of itself."""


def tree() -> bytes:
    """Busybox with users, a file to change and a volume's content."""
    layer = busybox_layer()
    layer.directory("data", mode=0o750, uid=1000, gid=1000)
    layer.add("data/given", data=b"by the image\n", uid=1000, gid=1000)
    layer.add("etc/motd", data=b"hello\n")
    layer.symlink("link", "etc/motd")
    layer.symlink("etc/up", "../../../../etc/motd")
    layer.add("not-executable", data=b"#!/bin/sh\n", mode=0o644)
    return layer.bytes()


def _import_images(path: Path) -> None:
    api, archive = Api(path), tree()
    for name, changes in ((IMAGE, ("ENV PATH=/bin", 'CMD ["sh"]')), (CONFIGURED, CONFIGURATION)):
        repository, _, tag = name.partition(":")
        query = urlencode(
            [("fromSrc", "-"), ("repo", repository), ("tag", tag), *(("changes", one) for one in changes)]
        )
        answer = api.call("POST", f"/images/create?{query}", archive)
        assert answer.status == 200, answer.message
        assert "error" not in answer.lines[-1], answer.lines


@pytest.fixture(scope="session")
def docker(docker_28: Path, request: pytest.FixtureRequest) -> Iterator[Ahead]:
    """Docker 28.5, which works ahead; but not where several workers of xdist share the tests."""
    _import_images(docker_28)
    shared = hasattr(request.config, "workerinput")
    ahead = Ahead(docker_28, [] if shared else request.session.items)
    yield ahead
    ahead.close()


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of an engine of ours."""
    with own_engine(tmp_path_factory.mktemp("ours")) as engine:
        _import_images(engine.path)
        yield engine.path
