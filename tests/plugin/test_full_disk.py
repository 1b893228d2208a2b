"""A disk that is full is named, with what to do, and nothing is left on it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_containers import ContainerError
from pytest_containers.client.errors import APIError
from pytest_containers.errors import translated
from tests.plugin.conftest import HANG_LIMIT

if TYPE_CHECKING:
    from pathlib import Path


def test_directory_of_runs(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(containers): containers.run('host', 'true')\n")
    unshare = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    script = 'mount -t tmpfs -o size=4k none /run && "$@"; find /run -mindepth 2'
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "--containers-engine=embedded"]
    result = subprocess.run(
        [*unshare, "sh", "-c", script, "sh", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANG_LIMIT,
        check=False,
    )
    assert (
        "the embedded engine cannot run: no space is left on the filesystem of /run/pytest-containers" in result.stdout
    )
    assert "1 failed" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("==="), "find has found something"


@pytest.mark.parametrize(
    ("said", "more"),
    [
        ("cannot unpack in /: No space left on device", "; the engine's disk is full: free some space where it keeps "),
        ("write /x: no space left on device", "; the engine's disk is full: free some space where it keeps "),
        ("cannot store it: No space left on device; free some space there", ""),
        ("No such image", ""),
    ],
)
def test_disk_of_the_engine(said: str, more: str) -> None:
    with pytest.raises(ContainerError) as info, translated("cannot start it"):
        raise APIError(500, said)
    assert str(info.value).startswith(f"cannot start it: {said}{more}")
    assert bool(more) == str(info.value).endswith(")")
