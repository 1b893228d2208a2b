"""Services as users of their own, in pulled images, as the official images of databases and web servers run them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pytest_containers import wait
from tests.registry import Layer, Registry, busybox_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("other-users")


CLIENT = """
import socket
connection = socket.create_connection(("db", 6379), 10)
connection.sendall(b"GET colour\\r\\n")
print(connection.recv(99))
"""


def ask(host: str, port: int, request: str) -> str:
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry() as started:
        yield started


@pytest.fixture(scope="module")
def redis(registry: Registry) -> str:
    """As the official one: user 999, who owns the working directory; the data are kept there."""
    layer = Layer().program("/usr/bin/redis-server").directory("data", uid=999, gid=999)
    layer.add("etc/passwd", data=b"redis:x:999:999::/data:/bin/false\n").add("etc/group", data=b"redis:x:999:\n")
    command = ["redis-server", "--protected-mode", "no"]
    config = {"User": "redis", "WorkingDir": "/data", "Cmd": command, "ExposedPorts": {"6379/tcp": {}}}
    return registry.push("redis", [layer.bytes()], config)


@pytest.fixture(scope="module")
def web(registry: Registry) -> str:
    """A web server as Debian's www-data, on a port below 1024."""
    layer = (
        busybox_layer()
        .directory("www", uid=33, gid=33)
        .add("www/index.html", data=b"as 33\n", uid=33, gid=33, mode=0o400)
    )
    config = {"User": "33:33", "Cmd": ["httpd", "-f", "-p", "80", "-h", "/www"], "ExposedPorts": {"80/tcp": {}}}
    return registry.push("web", [layer.bytes()], config)


def test_a_database_and_a_client_in_a_network(containers, redis: str) -> None:
    network = containers.network()
    server = containers.run(redis, network=network, aliases=["db"], wait=wait.port(6379))
    assert ask(server.host, server.port(6379), "SET colour blue\r\n") == "+OK\r\n"
    assert ask(server.host, server.port(6379), "SAVE\r\n") == "+OK\r\n"
    other = containers.run("host", ["python3", "-c", CLIENT], network=network)
    assert other.wait() == 0, other.logs()
    assert "blue" in other.logs()
    assert server.exec(["redis-server", "--version"]).exit_code == 0


def test_a_web_server_that_reads_its_own_files_only(containers, web: str) -> None:
    server = containers.run(web, wait=wait.port(80))
    assert server.exec("id -u").stdout.strip() == "33"
    assert server.exec(["stat", "-c", "%u:%g %a", "/www/index.html"]).stdout.strip() == "33:33 400"
    answer = ask(server.host, server.port(80), "GET /index.html HTTP/1.0\r\n\r\n")
    assert answer.startswith("HTTP/1.1 200")
    assert answer.endswith("as 33\n")
    assert server.exec(["sh", "-c", "echo x > /www/new && stat -c %u /www/new"]).stdout.strip() == "33"
    assert server.exec(["sh", "-c", "echo x > /etc/new"]).exit_code != 0
