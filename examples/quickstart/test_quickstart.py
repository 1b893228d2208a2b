import urllib.request
from pathlib import Path

import pytest

from pytest_containers import Container, Containers, Network


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def test_the_test_reaches_the_service(web: Container) -> None:
    web.exec(["sh", "-c", "echo hello >/srv/greeting"], check=True)
    assert get(f"{web.url(8000)}/greeting") == "hello\n"
    assert not Path("/srv/greeting").exists()  # what a container writes stays in it


def test_two_on_the_same_port(web: Container, other: Container) -> None:
    for each in (web, other):
        each.exec(["sh", "-c", "hostname >/srv/name"], check=True)
    assert get(f"{web.url(8000)}/name") == f"{web.id[:12]}\n"
    assert get(f"{other.url(8000)}/name") == f"{other.id[:12]}\n"


def test_containers_find_each_other_by_name(web: Container, backend: Network, containers: Containers) -> None:
    program = "import urllib.request; print(urllib.request.urlopen('http://web:8000').status)"
    client = containers.run("host", ["python3", "-c", program], network=backend)
    assert client.wait() == 0, client.logs()
    assert client.logs() == "200\n"


@pytest.mark.container_limits(memory="64m")
def test_too_much_memory(containers: Containers) -> None:
    greedy = containers.run("host", ["python3", "-c", "bytearray(200 * 1024 * 1024)"])
    assert greedy.wait() == 137
    assert "out of memory" in greedy.ending()
