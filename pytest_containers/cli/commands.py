"""What the files of this folder add their commands to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Commands(Protocol):
    """argparse's collection of sub-commands, whose own class is private."""

    def add_parser(self, name: str, *, help: str, allow_abbrev: bool, usage: str | None = None) -> ArgumentParser:  # noqa: A002  # argparse's word
        """Add a command and return its parser."""
        ...
