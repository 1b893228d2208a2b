"""What the documentation names is there: links, options, settings, commands; and examples are short."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from pytest_containers.cli import main
from pytest_containers.plugin import _FLAGS, _OPTIONS
from tests.docs.pages import PAGES, ROOT, blocks

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
OPTIONS = {name for name, *_ in (*_OPTIONS, *_FLAGS)} | {"debug", "external"}  # that are not in the tables
LONGEST = 40
"""Lines that a newcomer reads at once."""


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pages
def test_options_and_settings_are_there(page: Path) -> None:
    text = page.read_text()
    named = {*re.findall(r"--containers-([a-z][a-z-]*[a-z])", text)}
    named |= {name.replace("_", "-") for name in re.findall(r"`containers_([a-z_]+)\b", text)}
    assert named <= OPTIONS


def commands(page: Path) -> list[list[str]]:
    """The lines of shell blocks, as words."""
    shell = [block.text.replace("\\\n", " ") for block in blocks(page.read_text()) if block.language == "sh"]
    lines = [line.partition(" #")[0].strip().removesuffix("&") for text in shell for line in text.splitlines()]
    return [[Path(words[0]).name, *words[1:]] for line in lines if (words := shlex.split(line))]


@pages
def test_our_command_is_used_as_it_is(page: Path) -> None:
    for program, *words in commands(page):
        if program == main.PROGRAM:
            assert main.parse(words).handler, words


@cache
def pytest_options() -> str:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], capture_output=True, text=True, check=True, cwd="/"
    ).stdout


@pages
def test_options_of_pytest_are_there(page: Path) -> None:
    for words in commands(page):
        if words[0] == "pytest":
            for option in (word.partition("=")[0] for word in words[1:] if word.startswith("-")):
                assert re.search(rf"(^|[ ,]){re.escape(option)}\b", pytest_options(), re.MULTILINE), words


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST
