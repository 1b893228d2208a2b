"""An image from a registry: here one of our own on loopback, so that the example needs no other machine."""

import re
import subprocess
from pathlib import Path

import pytest

from pytest_containers import ContainerSpec, container, network, wait

CONFIG = 'version: 0.1\nstorage: {{filesystem: {{rootdirectory: "{0}/data"}}}}\nhttp: {{addr: "127.0.0.1:0"}}\n'
LISTENING = re.compile(rb"listening on ([0-9.:]+)")

backend = network(scope="session")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory):
    """A suite of yours would just say "redis:7"."""
    directory = tmp_path_factory.mktemp("registry")
    (directory / "config.yml").write_text(CONFIG.format(directory))
    with (directory / "log").open("w") as log:
        registry = subprocess.Popen(["docker-registry", "serve", directory / "config.yml"], stderr=subprocess.PIPE)
        address = next(
            found[1] for line in registry.stderr if (found := re.search(r"listening on (\S+:\d+)", str(line)))
        )
        drain = subprocess.Popen(["cat"], stdin=registry.stderr, stdout=log)
        try:
            subprocess.run([Path(__file__).with_name("fill"), address], check=True)
            yield f"{address}/redis:7"
        finally:
            registry.terminate()
            registry.wait()
            drain.wait()
            registry.stderr.close()


@container.define(scope="session")
def redis(image, backend):
    """One server for all tests, known as "redis" in its network."""
    return ContainerSpec(image, network=backend, aliases=["redis"], wait=wait.port(6379))
