from pathlib import Path
from urllib.request import urlopen

import pytest


def read(service):
    return urlopen(service.url(8000) + "/index.html", timeout=10).read().decode()


def test_two_services_on_the_same_port(first, second):
    assert read(first) == "written by first"
    assert read(second) == "written by second"
    assert first.port(8000) == second.port(8000) == 8000


def test_containers_reach_each_other(client):
    assert client.logs() == "written by first\n"


def test_files_stay_inside(first):
    assert first.exec("cat /srv/index.html").stdout == "written by first"
    assert not Path("/srv/index.html").exists()


@pytest.mark.container_limits(memory="64m")
def test_limits_hold(containers):
    hungry = containers.run("host", ["python3", "-c", "x = bytearray(200 << 20)"])
    assert hungry.wait() == 137
    assert "out of memory" in hungry.ending()
