"""Debian 12's or the machine's own Python beside Debian 13's, from a root filesystem that is made once, here:

mmdebstrap --variant=essential --include=python3-minimal,libpython3-stdlib trixie examples/isolation/debian13.tar
"""

import sys
from pathlib import Path

import pytest

ARCHIVE = Path(__file__).with_name("debian13.tar")


@pytest.mark.in_container(image={"here": "host", "debian13": str(ARCHIVE)})
def test_grammar() -> None:
    source = "def first[T](items: list[T]) -> T: return items[0]"
    if sys.version_info >= (3, 12):
        assert compile(source, "first", "exec")
    else:
        with pytest.raises(SyntaxError):
            compile(source, "first", "exec")


@pytest.mark.in_container(image=str(ARCHIVE))
def test_it_is_debians() -> None:
    assert sys.version_info >= (3, 13)
    assert Path("/etc/debian_version").read_text().startswith("13")
