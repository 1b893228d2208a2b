"""The suites that compare (benchmarks/suites), one small repetition: all pass with each tool, and ours are shortest."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from benchmarks.suites import images
from benchmarks.suites.tools import OURS, SUITES, TOOLS, install, run
from pytest_containers.client import Client
from tests.engines import own_engine

if TYPE_CHECKING:
    from pathlib import Path

TESTS = 2


@pytest.mark.parametrize("suite", SUITES)
def test_ours_has_the_fewest_lines(suite: str) -> None:
    lines = {tool.file: tool.lines(suite) for tool in TOOLS}
    assert lines.pop(OURS.file) < min(lines.values())


def test_all_pass_with_each_tool(docker_28: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    archives, docker = images.build(tmp_path), f"unix://{docker_28}"
    with own_engine(tmp_path) as ours:
        for url in (docker, ours.address):
            with Client(url) as client:
                images.load(client, archives)
    monkeypatch.setenv("PYTEST_CONTAINERS_DATA", str(tmp_path / "data"))
    runs = list(itertools.product([tool for tool in TOOLS if tool.docker or tool == OURS], SUITES))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda one: run(*one, TESTS, docker, bare=False), runs))
    assert {(phase, len(spent)) for result in results for phase, spent in result.phases.items()} == {
        (phase, TESTS) for phase in ("setup", "call", "teardown")
    }
    with Client(docker) as client:  # what the tools leave is told here: it goes with that engine
        assert client.containers.list(all=True) == []
        for name in archives:
            client.images.remove(name, force=True)
