import socket

import pytest

from pytest_containers import Container, Containers, Network, wait


def ask(container: Container, request: str) -> str:
    """One request in redis's inline form, from the test process to the container's own address and port."""
    with socket.create_connection((container.host, container.port(6379)), timeout=10) as connection:
        connection.sendall(f"{request}\r\n".encode())
        return connection.recv(4096).decode().strip()


def test_answers(redis: Container) -> None:
    assert ask(redis, "PING") == "+PONG"


def test_remembers(redis: Container) -> None:
    assert ask(redis, "SET colour blue") == "+OK"
    assert redis.exec("redis-cli get colour").stdout == "blue\n"


@pytest.mark.usefixtures("redis")
def test_is_found_by_its_name(backend: Network, image: str, containers: Containers) -> None:
    client = containers.run(image, "redis-cli -h redis ping", network=backend)
    assert client.wait() == 0, client.logs()
    assert "PONG" in str(client.logs())


def test_one_of_its_own_on_the_same_port(image: str, containers: Containers) -> None:
    own = containers.run(image, wait=wait.port(6379))
    assert ask(own, "GET colour") == "$-1"
    assert ask(own, "CONFIG GET port").endswith("6379")
