"""The documentation as data: its pages, their sections, and the blocks of code in these.

What a reader sees decides what is done with a block of Python:

- its first line names a file, ``# conftest.py``: the file is written, and files named ``test_….py`` are run. Files of
  earlier sections of the page are there too, but for their tests, so that a page can go on where it was.
- ``# test_x.py, which fails``: its tests have to fail.
- ``# test_x.py, not run here: <reason>``: it is imported.
- no name: a piece of something, imported below ``from pytest_containers import …``.

``<!-- needs: limits -->`` in a section, which readers do not see, names a right of tests/rights.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^(?=##? )", re.MULTILINE)
_NAME = re.compile(r"(?:#|--) (?P<name>[\w/]+\.(?:py|sql|toml|ini))(?P<how>, which fails|, not run here: .+)?$")
_NEEDS = re.compile(r"<!-- needs: ([\w-]+) -->")
PRELUDE = "import os, pytest\nfrom pathlib import Path\nfrom pytest_containers import *\n"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and what its first line says of it."""

    language: str
    text: str
    name: str = ""
    how: str = ""

    @property
    def fails(self) -> bool:
        return "which fails" in self.how

    @property
    def runs(self) -> bool:
        return self.name.startswith("test_") and not self.how.startswith(", not run")


@dataclass
class Section:
    """What stands below one heading."""

    page: Path
    title: str
    needs: list[str]
    blocks: list[Block]
    inherited: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def id(self) -> str:
        return f"{self.page.relative_to(ROOT).with_suffix('')}-{self.title}".replace("/", "-").replace(" ", "-")

    @property
    def python(self) -> list[Block]:
        return [block for block in self.blocks if block.language == "python"]

    def write(self, directory: Path) -> None:
        """Make the files of this section, each below its name."""
        files = dict(self.inherited)
        for number, block in enumerate(self.blocks):
            if block.name:
                files[block.name if block.runs or not block.name.startswith("test_") else f"piece_{block.name}"] = (
                    block.text
                )
            elif block.language == "python":
                files[f"piece_{number}.py"] = PRELUDE + block.text
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a text."""
    found: list[Block] = []
    for language, body in _FENCE.findall(text):
        named = _NAME.match(body.partition("\n")[0])
        found.append(Block(language, body, *(named.group("name"), named.group("how") or "") if named else ()))
    return found


def sections(page: Path) -> list[Section]:
    """The sections of a page that have blocks."""
    found: list[Section] = []
    files: dict[str, str] = {}
    for protected in _SECTION.split(_protected(page.read_text())):
        text = protected.replace("\0", "#")
        title = text.partition("\n")[0].strip("# `")
        section = Section(page, re.sub(r"[^\w ]", "", title), _NEEDS.findall(text), blocks(text), dict(files))
        files |= {
            block.name: block.text for block in section.blocks if block.name and not block.name.startswith("test_")
        }
        if section.blocks:
            found.append(section)
    return found


def _protected(text: str) -> str:
    """The text with the comments of blocks hidden, which look like headings."""
    return _FENCE.sub(lambda block: block[0].replace("#", "\0"), text)
