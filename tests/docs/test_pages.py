"""The examples in the documentation, run as their readers would: all sections in one run of pytest with two workers."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from pytest_containers.client import Client
from tests import databases, rights
from tests.docs.pages import PAGES, Section, sections
from tests.engines import own_engine

if TYPE_CHECKING:
    from pathlib import Path

SECTIONS = [section for page in PAGES for section in sections(page) if section.python]
IMAGES = {"postgres:17": databases.postgres, "redis:7": databases.redis}
"""What the pages say, and what is made of this machine's programs to be that."""
HANG = 240
INI = """
[pytest]
addopts = --import-mode=importlib -p no:cacheprovider -n 2 --dist loadfile
python_files = test_*.py piece_*.py
"""
CONFTEST = """
def pytest_collection_modifyitems(items):  # pieces are imported, no more
    items[:] = [item for item in items if not item.path.name.startswith("piece_")]
"""


def _images(directory: Path) -> None:
    with own_engine(directory) as engine:
        for name, make in IMAGES.items():
            made = make(directory)
            Client(engine.address).images.import_(made.archive, name, changes=made.changes)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, str]], str]:
    """For each section the names of tests, and why they did not pass; and all that pytest said."""
    home, images = tmp_path_factory.mktemp("pages"), tmp_path_factory.mktemp("images")
    _images(images)
    (home / "pytest.ini").write_text(INI)
    (home / "conftest.py").write_text(CONFTEST)
    for section in SECTIONS:
        if all(map(rights.has, section.needs)):
            section.write(home / section.id)
    environment = {**os.environ, "PYTEST_CONTAINERS_DATA": str(images / "data")}
    command = [sys.executable, "-m", "pytest", "--junit-xml=results.xml"]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=HANG)
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for case in ET.parse(home / "results.xml").iter("testcase"):
        place, _, module = (case.get("classname") or case.get("name") or "").partition(".")
        bad = next((child.get("message") or child.tag for child in case if child.tag in {"failure", "error"}), "")
        found[place][f"{module}::{case.get('name')}"] = bad
    return dict(found), done.stdout + done.stderr


@pytest.mark.parametrize(
    "section", [pytest.param(one, id=one.id, marks=[pytest.mark.needs(each) for each in one.needs]) for one in SECTIONS]
)
def test_it_is_as_written(section: Section, results: tuple[dict[str, dict[str, str]], str]) -> None:
    found, output = results
    ran = found.get(section.id, {})
    for block in section.python:
        of_block = {name: bad for name, bad in ran.items() if name.startswith(block.name.removesuffix(".py"))}
        if block.runs:
            assert of_block, f"{block.name}: no test of it ran\n{output}"
        for name, bad in of_block.items():
            if block.name:
                assert bool(bad) == block.fails, f"{name}: {bad or 'passes'}\n{output}"
    broken = {name: bad for name, bad in ran.items() if "collection" in bad}
    assert not broken, output
