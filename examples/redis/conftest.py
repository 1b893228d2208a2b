"""An image from a registry: here one of our own on loopback, so that the example needs no other machine."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_containers import ContainerSpec, Network, container, network, wait

CONFIG = 'version: 0.1\nstorage: {{filesystem: {{rootdirectory: "{0}/data"}}}}\nhttp: {{addr: "127.0.0.1:0"}}\n'
LISTENING = re.compile(rb"listening on ([0-9.:]+)")

backend = network(scope="session")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A suite of yours would just say "redis:7"."""
    directory = tmp_path_factory.mktemp("registry")
    (directory / "config.yml").write_text(CONFIG.format(directory))
    command = ["docker-registry", "serve", directory / "config.yml"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as registry:
        assert registry.stderr
        address = next(found[1].decode() for line in registry.stderr if (found := LISTENING.search(line)))
        with subprocess.Popen(["cat"], stdin=registry.stderr, stdout=subprocess.DEVNULL):
            try:
                subprocess.run([Path(__file__).with_name("fill"), address], check=True)
                yield f"{address}/redis:7"
            finally:
                registry.terminate()


@container.define(scope="session")
def redis(image: str, backend: Network) -> ContainerSpec:
    """One server for all tests, known as "redis" in its network."""
    return ContainerSpec(image, network=backend, wait=wait.port(6379))
