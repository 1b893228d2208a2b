"""Libraries that start containers for tests, in two languages: what they say to Docker, they say to this engine."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.differential.client import Api
from tests.engines import own_engine
from tests.registry import busybox_layer

HANG = 300
"""Seconds; a hang limit, for what a registry sends too."""
# Without a reaper, which is an image of a registry's; it would watch what this engine watches itself.
# The host is said, since in a container (/.dockerenv) they would try the gateway, as if the engine were outside.
REAPERLESS = {
    "TESTCONTAINERS_RYUK_DISABLED": "true",
    "TESTCONTAINERS_HOST_OVERRIDE": "localhost",
    "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
}
SERVE = ["sh", "-c", "mkdir -p /w; echo served >/w/index.html; httpd -p 80 -h /w; echo ready; exec sleep 600"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with own_engine(tmp_path_factory.mktemp("engine")) as engine:
        Api(engine.path).ok("POST", "/images/create", busybox_layer().bytes(), fromSrc="-", repo="tree", tag="1")
        yield engine
        assert Api(engine.path).get("/containers/json", all=1).json == [], "they remove what they started"


def environment(engine, **more):
    own = {"DOCKER_HOST": engine.address, "TMPDIR": str(engine.path.parent)}  # it keeps a lock file there
    return {**os.environ, **REAPERLESS, **own, **more}


def run(command, where, engine, **more):
    done = subprocess.run(
        command, cwd=where, env=environment(engine, **more), capture_output=True, text=True, timeout=HANG
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(command, where):
    """Get a library from its registry; without one there is nothing to test."""
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=HANG)
    if done.returncode:
        pytest.skip(f"{' '.join(map(str, command))}: {done.stderr[-500:]}")


PYTHON = """
import urllib.request
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import LogMessageWaitStrategy, PortWaitStrategy

serve = {serve!r}
with DockerContainer("tree:1").with_command(serve).with_exposed_ports(80).waiting_for(PortWaitStrategy(80)) as one:
    url = f"http://{{one.get_container_host_ip()}}:{{one.get_exposed_port(80)}}/"
    assert urllib.request.urlopen(url, timeout=30).read() == b"served\\n"
    assert one.exec("cat /w/index.html").output == b"served\\n"
    assert b"ready" in one.get_logs()[0]
with Network() as network:
    with DockerContainer("tree:1").with_command("sleep 600").with_network(network).with_network_aliases("db") as db:
        client = DockerContainer("tree:1").with_command("sh -c 'ping -c1 -w9 db; sleep 600'").with_network(network)
        with client.waiting_for(LogMessageWaitStrategy("1 packets received")):
            pass
print("passed")
"""


def test_python(engine, tmp_path):
    (tmp_path / "use.py").write_text(PYTHON.format(serve=SERVE))
    assert run([sys.executable, "use.py"], tmp_path, engine).endswith("passed\n")


NODE = """
const { GenericContainer, Network, Wait } = require("testcontainers");

async function main() {
  const network = await new Network().start();
  const server = await new GenericContainer("tree:1")
    .withCommand(%s).withExposedPorts(80).withNetwork(network).withNetworkAliases("server")
    .withWaitStrategy(Wait.forAll([Wait.forLogMessage("ready"), Wait.forListeningPorts(), Wait.forHttp("/", 80)]))
    .start();
  const answer = await fetch(`http://${server.getHost()}:${server.getMappedPort(80)}/`);
  if ((await answer.text()) !== "served\\n") throw new Error("it does not serve");
  const { output, exitCode } = await server.exec(["cat", "/w/index.html"]);
  if (exitCode !== 0 || output !== "served\\n") throw new Error(`exec: ${exitCode} ${output}`);
  await server.copyContentToContainer([{ content: "copied", target: "/w/copied" }]);
  const other = await new GenericContainer("tree:1")
    .withCommand(["wget", "-qO-", "http://server/copied"]).withNetwork(network)
    .withWaitStrategy(Wait.forLogMessage("copied")).start();
  await other.stop();
  await server.stop();
  await network.stop();
  console.log("passed");
}

main().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm (tests/run installs it)")
def test_node(engine, tmp_path_factory):
    import json

    # Its eleventh version wants Node.js 20; Debian 12 has 18.
    node = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    major = 11 if int(node.removeprefix("v").partition(".")[0]) >= 20 else 10
    where = tmp_path_factory.mktemp("node")
    # Without the scripts of packages: they would compile what is faster, not what is needed.
    install(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", f"testcontainers@^{major}"], where
    )
    (where / "use.js").write_text(NODE % json.dumps(SERVE))
    assert run(["node", "use.js"], where, engine).endswith("passed\n")


PLUGIN_CONFTEST = """
from pytest_docker_tools import container, network, volume

backend = network()
data = volume()
server = container(
    image="tree:1",
    command=%r,
    ports={"80/tcp": None},
    network="{backend.name}",
    volumes={"{data.name}": {"bind": "/data"}},
)
"""
PLUGIN_TEST = """
import urllib.request


def test_server(server):
    host, port = server.get_addr("80/tcp")
    assert urllib.request.urlopen(f"http://{host}:{port}/", timeout=30).read() == b"served\\n"
    assert "ready" in server.logs()
    assert server.get_text("/w/index.html") == {"index.html": "served\\n"}
"""


def test_pytest_docker_tools(engine, tmp_path):
    # Not among the project's own: as a plugin of pytest it would be loaded in every run.
    site = tmp_path / "site"
    install(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, "pytest-docker-tools"], tmp_path
    )
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "conftest.py").write_text(PLUGIN_CONFTEST % SERVE)
    (suite / "test_server.py").write_text(PLUGIN_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", suite, suite]
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    assert "1 passed" in run(command, suite, engine, PYTHONPATH=path)
