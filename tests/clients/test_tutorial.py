"""The first page of every Docker tutorial, typed as it stands: nginx comes from a mirror of docker.io."""

import os
import re
import shutil
import urllib.request
from pathlib import Path

import pytest

from tests.clients.conftest import Docker
from tests.engines import own_engine
from tests.registry import Layer, Registry

pytestmark = [
    pytest.mark.skipif(not shutil.which("docker"), reason="needs the docker command (tests/run installs it)"),
    pytest.mark.skipif(not shutil.which("docker-registry"), reason="needs docker-registry (tests/run installs it)"),
    pytest.mark.skipif(not Path("/usr/sbin/nginx").exists(), reason="needs nginx-light (tests/run installs it)"),
]
CONFIGURATION = b"""user nobody nogroup;
pid /run/nginx.pid;
error_log /dev/stderr;
events {}
http {
  access_log /dev/stdout;
  server { listen 80; root /usr/share/nginx/html; }
}
"""


def nginx():
    """What docker.io's nginx has at its heart: Debian's nginx, in the foreground."""
    layer = Layer().program("/usr/sbin/nginx")
    for name in ("etc/nginx", "run", "var/log/nginx", "var/lib/nginx", "usr/share/nginx/html", "tmp"):
        layer.directory(name, mode=0o755)
    layer.add("etc/nginx/nginx.conf", data=CONFIGURATION)
    layer.add("usr/share/nginx/html/index.html", data=b"<h1>Welcome to nginx!</h1>\n")
    config = {
        "Cmd": ["/usr/sbin/nginx", "-g", "daemon off;"],
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGQUIT",
    }
    return layer.bytes(), config


@pytest.fixture(scope="module")
def docker(tmp_path_factory):
    with Registry() as registry:
        layer, config = nginx()
        registry.push_busybox("library/nginx", config, [layer])
        environment = {**os.environ, "PYTEST_CONTAINERS_REGISTRY_MIRROR": f"http://{registry.address}"}
        with own_engine(tmp_path_factory.mktemp("engine"), environment) as engine:
            docker = Docker(engine.path)
            docker("rmi", "-f", "nginx:latest")
            yield docker
            docker("rmi", "-f", "nginx:latest")  # images are the user's, for all engines


@pytest.mark.needs("other-users")
def test_the_quick_start(docker):
    code, out, err = docker("run", "--name", "myapp", "-d", "nginx:latest")
    assert code == 0, err
    assert re.fullmatch(r"[0-9a-f]{64}\n", out)
    assert "Unable to find image 'nginx:latest' locally" in err
    assert "Status: Downloaded newer image for nginx:latest" in err
    header, row = docker.ok("ps").splitlines()
    assert header.split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert re.match(r'[0-9a-f]{12}\s+nginx:latest\s+"/usr/sbin/nginx .*Up .*80/tcp\s+myapp', row), row
    assert docker.ok("stop", "myapp") == "myapp"
    assert docker.ok("inspect", "-f", "{{.State.ExitCode}}", "myapp") == "0"  # it ended by its own stop signal
    assert docker.ok("rm", "myapp") == "myapp"
    assert docker.ok("ps", "-aq") == ""


@pytest.mark.needs("other-users")
def test_with_a_published_port(docker):
    docker.ok("run", "-d", "--name", "web", "-p", "127.0.0.1::80", "nginx:latest")
    address = docker.ok("port", "web", "80/tcp")
    with urllib.request.urlopen(f"http://{address}/", timeout=30) as answer:
        assert answer.read() == b"<h1>Welcome to nginx!</h1>\n"
    assert '"GET / HTTP/1.1" 200' in docker.ok("logs", "web")
    docker.ok("rm", "-f", "web")
