from pathlib import Path
from urllib.request import urlopen

import pytest

from pytest_containers import Container, ContainerError, Containers


def read(service: Container) -> str:
    return urlopen(service.url(8000) + "/index.html", timeout=10).read().decode()


def test_two_services_on_the_same_port(first: Container, second: Container) -> None:
    assert read(first) == "written by first"
    assert read(second) == "written by second"
    assert first.port(8000) == second.port(8000) == 8000


def test_containers_reach_each_other(client: Container) -> None:
    assert client.logs() == "written by first\n"


def test_files_stay_inside(first: Container) -> None:
    assert first.exec("cat /srv/index.html").stdout == "written by first"
    assert not Path("/srv/index.html").exists()


@pytest.mark.container_limits(memory="64m")
def test_limits_hold_or_are_refused(containers: Containers) -> None:
    try:
        hungry = containers.run("host", ["python3", "-c", "x = bytearray(200 << 20)"])
    except ContainerError as error:  # an ordinary user, to whom no cgroup was delegated
        assert "no cgroup controller 'memory'" in str(error)
    else:
        assert hungry.wait() == 137
        assert "out of memory" in hungry.ending()
