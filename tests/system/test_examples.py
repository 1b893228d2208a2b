"""The examples as their readers run them, with several workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import leftovers

CHECKOUT = Path(__file__).parents[2]


def test_four_workers_use_one_engine(tmp_path):
    examples = ["examples/quickstart", "examples/redis", "examples/xdist"]
    command = [sys.executable, "-m", "pytest", *examples, "-n", "4", "-p", "no:cacheprovider"]
    engines: set[str] = set()
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT)
        while running.poll() is None:
            here = f"--watch-pid {running.pid}"
            engines |= {line.split()[2] for line in leftovers.processes() if line.endswith(here) or f"{here} " in line}
            try:
                running.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
    output = (tmp_path / "log").read_text()
    assert running.returncode == 0, output
    assert " passed" in output
    assert len(engines) == 1, engines
