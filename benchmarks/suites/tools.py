"""The tools that the suites are written with, and how pytest is run with each: with its own plugin and no other."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import engines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SITE = HERE / ".site"
"""Where the peers' packages are, apart from the environment: one has a plugin, which would be in every run there."""
SUITES = {"cache": 20, "database": 50, "web": 10}
"""How many tests each has by default."""


@dataclass(frozen=True)
class Tool:
    """A tool: the file of each suite that is written with it, options of pytest, and whether Docker is its engine."""

    name: str
    file: str
    options: Sequence[str] = ()
    docker: bool = True

    def lines(self, suite: str) -> int:
        """The lines that a user writes: those with code on them, comments and docstrings excluded, as ruff lays out."""
        return count(HERE / suite / self.file)


OURS = Tool("pytest-containers", "with_pytest_containers.py", ["-p", "pytest_containers.plugin"], docker=False)
TOOLS = (
    OURS,
    Tool("without look-ahead", OURS.file, [*OURS.options, "--containers-lookahead=off"], docker=False),
    Tool("testcontainers", "with_testcontainers.py"),
    Tool("pytest-docker-tools", "with_docker_tools.py", ["-p", "pytest_docker_tools.plugin"]),
)


def count(path: Path) -> int:
    """How many lines of a file have code on them."""
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
             tokenize.ENCODING, tokenize.ENDMARKER}  # fmt: skip
    with path.open("rb") as file:
        tokens = [token for token in tokenize.tokenize(file.readline) if token.type not in blank]
    return len({line for token in tokens for line in range(token.start[0], token.end[0] + 1)})


@dataclass(frozen=True)
class Result:
    """One run of a suite: seconds in all, and of each part of each test."""

    tests: int
    wall: float
    phases: Mapping[str, Sequence[float]]
    bare: float
    """Seconds of a run that only collects the tests: pytest's own, and all imports."""

    @property
    def overhead(self) -> float:
        """Seconds a test that are for containers: start of an engine, set-up, teardown, end of all."""
        return (self.wall - self.bare - sum(self.phases["call"])) / self.tests

    @property
    def fixtures(self) -> float:
        """Seconds of set-up and teardown of a test, the median."""
        return statistics.median(
            before + after for before, after in zip(self.phases["setup"], self.phases["teardown"], strict=True)
        )


def install() -> None:
    """Fetch the peers' packages (the dependency group ``suites``) with pip, once."""
    if SITE.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=HERE, prefix=".site-") as name:
        made = Path(name) / "site"
        command = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", str(made)]
        subprocess.run([sys.executable, *command, "--group", f"{ROOT}/pyproject.toml:suites"], check=True)
        made.rename(SITE)


def run(tool: Tool, suite: str, tests: int, docker: str, *, bare: bool = True) -> Result:
    """Run a suite in a pytest of its own; ``docker``: the address of the peers' engine; without ``bare`` not that.

    Raises:
        RuntimeError: a test failed; with pytest's output.
    """
    collecting = _pytest(tool, suite, tests, docker, "--collect-only")[0] if bare else 0.0
    wall, reports = _pytest(tool, suite, tests, docker)
    phases = {phase: [spent for when, spent in reports if when == phase] for phase in ("setup", "call", "teardown")}
    return Result(tests, wall, phases, collecting)


def _pytest(tool: Tool, suite: str, tests: int, docker: str, *options: str) -> tuple[float, list[tuple[str, float]]]:
    """Seconds in all, and of each phase of each test."""
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "runtime", SITE))),
        "DOCKER_HOST": docker,
        "TESTCONTAINERS_RYUK_DISABLED": "true",
        "TC_POOLING_INTERVAL": "0.1",  # a second by default: who minds the time sets it,
        "TC_MAX_TRIES": "1200",  # and leaves its limit at 120 s
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib",
               "-c", os.devnull, "--rootdir", str(HERE), *tool.options, "--tests", str(tests),
               str(HERE / suite / tool.file), *options]  # fmt: skip
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody's programs are compiled anew each time they run
    if tool.docker:  # what it publishes is published in the network namespace of that engine
        command = ["nsenter", "-t", str(engines.listener(docker)), "-n", *command]
    with tempfile.NamedTemporaryFile() as record:
        begin = time.perf_counter()
        done = subprocess.run(
            command, env={**environment, "SUITES_RECORD": record.name}, capture_output=True, text=True, check=False
        )
        wall = time.perf_counter() - begin
        reports = [(when, spent) for when, spent in map(json.loads, record)]
    if done.returncode:
        raise RuntimeError(f"{suite} with {tool.name}:\n{done.stdout[-8000:]}{done.stderr[-2000:]}")
    return wall, reports
