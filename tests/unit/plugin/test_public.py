import subprocess
import sys
from pathlib import Path

import pytest

import pytest_containers
from pytest_containers.embedded import runtime_home
from pytest_containers.errors import ContainerError
from pytest_containers.locate import locate


@pytest.mark.parametrize("name", pytest_containers.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(pytest_containers, name) is not None
    assert name in dir(pytest_containers)


def test_functions_are_not_hidden_by_modules_of_the_same_name() -> None:
    program = (
        "import pytest_containers.fixtures, pytest_containers.factory, pytest_containers as p\n"
        "assert callable(p.container) and callable(p.network) and callable(p.wait.port) and callable(p.wait.log)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        _ = pytest_containers.nosuch  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]


def find(choice: str) -> object:
    return locate(choice, Path("/run/pytest-containers/run-x"), 1, shared=False, timeout=1, log_lines=1)


def test_engine_by_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("pytest_containers.locate._user_namespaces", lambda: False)
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    monkeypatch.delenv("DOCKER_TLS_VERIFY", raising=False)
    docker = locate("auto", Path("/run/x/run-x"), 1, shared=False, timeout=1, log_lines=1)
    assert (docker.url, docker.own_addresses, docker.published_host) == ("tcp://10.0.0.1:2375", False, "10.0.0.1")
    assert getattr(find("unix:///x.sock"), "url", "") == "unix:///x.sock"
    with pytest.raises(
        ContainerError, match="the embedded engine needs root or user namespaces, which user 1000 may not"
    ):
        find("embedded")


def test_home_of_runs_is_where_the_engine_sweeps() -> None:
    paths = pytest.importorskip("container_runtime.state.paths")
    assert runtime_home() == paths.runtime_home()
